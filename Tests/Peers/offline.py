"""Keeps transformers from the network, and from progress bars and warnings. Imported before it, since it reads these variables once."""
import os

os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "TQDM_DISABLE": "1"}
