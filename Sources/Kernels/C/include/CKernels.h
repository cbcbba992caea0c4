#pragma once
#include "kernels.h"
#include "pool.h"
