"""What stands in a project folder: settings, own metrics, worked cases."""
