"""How sure a number is: bootstrap intervals, and tests of forecasts against each other."""
