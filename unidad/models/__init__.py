"""Model folders: put in place, imported, exported, each with a card that tells what it is."""
