// The shaders of operations on a GPU, compiled to SPIR-V.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// The code of a shader; NULL if there is none with that name.
const uint32_t *slm_shader(const char *name, size_t *bytes);
