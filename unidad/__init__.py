"""Few-step, few-shot image generation: adapt a diffusion model to ten images in one stage."""

__version__ = "0.1.0"
