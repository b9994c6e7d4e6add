"""The canonical model: entities, periods and money. Every source becomes these; every metric reads only these."""
