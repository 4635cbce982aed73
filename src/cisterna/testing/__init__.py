"""Stateful fakes, contract kits and virtual instruments, for us and for those who extend Cisterna."""
