"""What every test may use."""

pytest_plugins = ["tests.store_fixtures"]
