"""What a file has besides its pixels: read with the image, and given back to the larger one."""
