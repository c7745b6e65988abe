"""Drawn dermatoscopic lesions in the layout of HAM10000: a data set that needs no download and no licence.

A lesion is drawn as a dermatologist would describe it: a patch of skin, an outline, and the structures of its class
(Kittler et al., J Am Acad Dermatol 74:1093, 2016), laid over one another as light meets them: pigments and blood absorb
(Beer-Lambert), scale, scars and veils cover. Everything is a function of the position on the skin, so that a second
photograph of the same lesion, from another angle and nearer, shows the same lesion. The camera then adds what does not
belong to the lesion: light, white balance, hair, gel bubbles, a ruler's marks, blur, noise and JPEG.

The drawings are not medical images. They exist to exercise the whole report, and the classes overlap on purpose:
atypical nevi look like melanomas, early melanomas look like nevi, and pigmented keratoses look like either.
"""
