"""What Cisterna does: one module per stage, one public function each where one is enough."""
