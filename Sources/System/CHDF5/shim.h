#pragma once
#include <hdf5.h>

// These names are macros that call H5open and then read a library variable. Swift cannot import such macros.
static inline hid_t slm_h5_float32(void) { return H5T_IEEE_F32LE; }
static inline hid_t slm_h5_float64(void) { return H5T_IEEE_F64LE; }
static inline hid_t slm_h5_int64(void) { return H5T_STD_I64LE; }
static inline hid_t slm_h5_uint8(void) { return H5T_STD_U8LE; }
static inline hid_t slm_h5_c_string(void) { return H5T_C_S1; }
static inline hid_t slm_h5_file_creation(void) { return H5P_FILE_CREATE; }
static inline hid_t slm_h5_file_access(void) { return H5P_FILE_ACCESS; }
static inline hid_t slm_h5_group_creation(void) { return H5P_GROUP_CREATE; }
static inline hid_t slm_h5_dataset_creation(void) { return H5P_DATASET_CREATE; }
static inline hid_t slm_h5_link_creation(void) { return H5P_LINK_CREATE; }
static const hid_t slm_h5_default = H5P_DEFAULT;
static const unsigned slm_h5_truncate = 0x0002u;      // H5F_ACC_TRUNC, a macro that calls a function
static const unsigned slm_h5_creation_order = H5P_CRT_ORDER_TRACKED;
