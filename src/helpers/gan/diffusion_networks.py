"""The network of the recipe ``diffusion``: a U-Net that takes noise out of an image, and how it paints.

Network and samplers are those of the library diffusers, an optional package. What is descended stands in
diffusion.py.
"""

from typing import Any

import torch
from torch import Tensor, nn

from helpers import params
from helpers.gan.networks import Generator, channels_by_resolution
from helpers.gan.recipes import require_package

SMALLEST = 8  # pixels; the U-Net goes down to this side
ATTENTION = 16  # pixels; from this side down its layers attend to all places
LAYERS = 1  # residual blocks of each side on the way down; on the way up it has one more
GROUPS = 8  # of group normalisation; every width is a multiple of 8
HEAD = 8  # channels of one head of attention
PREDICTIONS = {"v": "v_prediction", "epsilon": "epsilon"}  # their names in the library


def library() -> Any:
    """The package diffusers; ParameterError, with the way to install it, where it is missing."""
    require_package("diffusion")
    import diffusers

    return diffusers


def signal_levels(config: params.Diffusion) -> Tensor:
    """How much of an image is left at each noise level: alpha bar (``config.steps``,), float32, falling.

    The cosine schedule of Nichol and Dhariwal (2021), "Improved Denoising Diffusion Probabilistic Models",
    equation 17; level 0 is the least noise.
    """
    return library().DDPMScheduler(config.steps, beta_schedule="squaredcos_cap_v2").alphas_cumprod


class Denoiser(Generator):
    """A U-Net (Ho et al. 2020) and its sampler: images (N, 3, R, R) from -1 to 1 of latents (N, 3 R R).

    The latents are the image of pure noise from which a sampler starts that draws nothing more, so that one
    latent is one image. ``noise`` (N, 0) is empty. The widths are those of the GANs' resolutions.
    """

    def __init__(self, config: params.Gan, classes: int = 0):
        """``classes``: number of classes that ``labels`` may name; 0: the network knows of none."""
        super().__init__(config.resolution, latent_size=3 * config.resolution**2, noise_size=0)
        self.diffusion, self.classes = config.diffusion, classes
        widths = channels_by_resolution(config.resolution, config.channel_scale)
        sides = [side for side in reversed(widths) if side >= SMALLEST]
        attends = ["Attn" if side <= ATTENTION else "" for side in sides]
        self.network = library().UNet2DModel(
            sample_size=config.resolution,
            layers_per_block=LAYERS,
            block_out_channels=[widths[side] for side in sides],
            down_block_types=[f"{kind}DownBlock2D" for kind in attends],
            up_block_types=[f"{kind}UpBlock2D" for kind in reversed(attends)],
            norm_num_groups=GROUPS,
            attention_head_dim=HEAD,
            num_class_embeds=classes or None,
        )
        nn.init.zeros_(self.network.conv_out.weight)  # a fresh network predicts nothing

    def predict(self, noisy: Tensor, levels: Tensor, labels: Tensor | None = None) -> Tensor:
        """What ``diffusion.prediction`` names, (N, 3, R, R) float32, of noisy images at ``levels`` (N,).

        ``labels`` (N,), int64, are places of classes, where the network was built for them.
        """
        labels = labels if self.classes else None
        return self.network(noisy, levels, class_labels=labels, return_dict=False)[0].float()

    def forward(
        self,
        latents: Tensor,
        noise: Tensor | None = None,
        truncation: float = 1.0,
        mean_style: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> Tensor:
        sampler, side = self.sampler(), self.resolution
        images = latents.view(-1, 3, side, side).contiguous(memory_format=torch.channels_last)
        for level in sampler.timesteps:
            levels = level.to(images.device).expand(len(images))
            images = sampler.step(self.predict(images, levels, labels), level, images).prev_sample
        return images

    def sampler(self) -> Any:
        """A scheduler of the library, new and set to ``diffusion.sampling_steps``.

        ``dpm`` is DPM-Solver++ of second order (Lu et al. 2022), ``ddim`` is DDIM without its random part
        (Song et al. 2021). Both follow the same curve from noise to image; its points are spread over all
        levels from the noisiest on (Lin et al. 2024). What they take the image to be stays within -1 to 1.
        """
        shared = {
            "num_train_timesteps": self.diffusion.steps,
            "beta_schedule": "squaredcos_cap_v2",
            "prediction_type": PREDICTIONS[self.diffusion.prediction],
            "timestep_spacing": "trailing",
        }
        if self.diffusion.sampler == "ddim":
            sampler = library().DDIMScheduler(**shared, clip_sample=True)
        else:  # its dynamic threshold with a largest value of 1 is the same bound
            sampler = library().DPMSolverMultistepScheduler(**shared, thresholding=True, sample_max_value=1.0)
        sampler.set_timesteps(self.diffusion.sampling_steps)
        return sampler
