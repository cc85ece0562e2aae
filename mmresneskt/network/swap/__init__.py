"""Put another backbone into a config of MMDetection or MMPretrain."""
