"""Backbones behind one contract, codecs and discriminator heads."""
