#pragma once
#include "split.h"
#include "nfc.h"
#include "word_tables.h"
