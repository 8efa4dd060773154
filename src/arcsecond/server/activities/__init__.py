"""What is being observed now, and its live feed."""
