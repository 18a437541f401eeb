"""llama.cpp: the embedded LM, in this process or in one that several share."""
