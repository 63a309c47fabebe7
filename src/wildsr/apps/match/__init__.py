"""What degraded a folder of images: statistics, simulation, regression, a pool of recipes, a page."""
