"""What a metric is, and how a whole catalogue of them is evaluated together."""
