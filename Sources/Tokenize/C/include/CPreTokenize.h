#pragma once
#include "split.h"
#include "word_tables.h"
