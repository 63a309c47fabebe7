"""Where `import mine` finds the user's file."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
