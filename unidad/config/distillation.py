"""What the distilling methods share."""

from __future__ import annotations

from typing import Literal

from unidad.config.section import Count, NotNegative, Positive, Section


class Distillation(Section):
    """Options shared by the distilling methods, dmd2 and unidad (SPEC section 3)."""

    fake_score_updates_per_student_update: Count = 5
    """Fake-score (and discriminator) updates for one student update."""
    fake_score_learning_rate: Positive | None = None
    """AdamW's rate for fake score and discriminator; null takes the student's."""
    fake_score_start: Literal["student", "teacher"] | None = None
    """Whose weights the fake score starts from; null: the teacher's in few-shot generation, the
    student's in personalisation, where a pre-distilled student is no longer its teacher."""
    dmd_normaliser: Literal["prediction_gap", "noisy_gap", "score", "none"] = "prediction_gap"
    """What the DMD gradient is divided by (see unidad.losses.dmd_gradient)."""
    gradient_through: Literal["all", "last"] = "all"
    """Student steps that the gradient flows through: all K, or the last alone (cheaper)."""
    heads: Literal["multi", "residual", "single", "none"] = "multi"
    """Discriminator: a head on every encoder block and the middle block; on the first convolution,
    every residual block, every downsampler and the middle block (the paper's code for few-shot
    generation: 19 heads at 256x256); one on the middle block; or no GAN."""
    gan_loss: Literal["bce", "hinge", "lsgan", "wgan-gp"] = "bce"
    """Adversarial loss."""
    gan_lsgan_on: Literal["logits", "probabilities"] = "logits"
    """What LSGAN takes the squared error of: logits, or their sigmoids (the paper's code)."""
    gan_single_head: Literal["plain", "strided"] = "plain"
    """The head on the middle block where heads is single: a 3x3 convolution and the mean of logits,
    or strided convolutions of 4x4 down to one logit (the paper's code; a middle block of 8x8)."""
    gan_logits: Literal["summed", "averaged"] = "summed"
    """Sum the heads' losses (the paper), or take the loss of their mean logit (its code)."""
    gan_student_weight: NotNegative = 0.01
    """Weight of the student's adversarial loss; not used where gan_gradient_ratio is set."""
    gan_gradient_ratio: Positive | None = None
    """Scale the student's GAN gradient so that its norm at the image is this multiple of the DMD
    gradient's, at every update: a weight that carries over between resolutions."""
    gan_discriminator_weight: NotNegative = 0.03
    """Weight of the discriminator's loss."""
    gan_penalty_weight: NotNegative = 10.0
    """Weight of WGAN-GP's gradient penalty."""
    gan_shared_levels: bool = False
    """Noise a real and a student image to the same level (SDP) or to levels of their own (FSIG)."""
