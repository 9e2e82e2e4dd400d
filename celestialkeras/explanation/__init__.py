"""Why a network said what it said: maps of evidence over the frame, a check on them, and likely causes of errors."""
