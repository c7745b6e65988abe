"""Drawn dermatoscopic lesions in the layout of HAM10000: a data set that needs no download and no licence.

A lesion is drawn as a dermatologist would describe it: a patch of skin, an outline, and the structures of
its class (Kittler et al., J Am Acad Dermatol 74:1093, 2016). They lie over one another as light meets them:
pigments and blood absorb light (Beer-Lambert), scale, scars and veils cover what is below. Everything is a
function of the position on the skin. So a second photograph of the same lesion, from another angle and
nearer, shows the same lesion. The camera then adds what does not belong to the lesion: light, white balance,
hair, bubbles in the gel, the marks of a ruler, blur, noise and JPEG.

The drawings are not medical images. They exist to exercise the whole report. The classes overlap on purpose:
atypical naevi look like melanomas, early melanomas look like naevi, and pigmented keratoses look like either.

Modules: ``facts`` and ``plan`` (the metadata), ``plane``, ``brushes`` and ``pigments`` (how anything is
drawn), ``structures``, ``melanocytic``, ``epidermal``, ``dermal`` and ``diagnoses`` (lesions), ``artefacts``
and ``photograph`` (the camera), ``writing`` (files).
"""
