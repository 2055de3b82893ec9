"""A workflow file of ComfyUI as a model, run by an engine somewhere else."""

from cinefab.generate.models.comfyui.model import Comfyui

__all__ = ["Comfyui"]
