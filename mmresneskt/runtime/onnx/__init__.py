"""Models as ONNX files, and what reads them; the reader needs neither torch nor an MM library."""
