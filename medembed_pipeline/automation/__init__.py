"""What runs by itself: conditions on every asset, sensors, schedules, and the jobs that people run by name."""
