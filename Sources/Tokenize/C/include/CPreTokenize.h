#pragma once
#include "split.h"
#include "nfc.h"
#include "bert.h"
#include "word_tables.h"
