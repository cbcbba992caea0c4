// The functions of Open MPI that slm uses. The library is opened with dlopen, and only by a process that mpirun started
// (Distributed/MPITransport.swift). So slm builds without Open MPI: the declarations are here, as those of mpi.h of Open MPI 3 to 5,
// whose handles are pointers to objects of the library.
#pragma once
#include <dlfcn.h>
#include <stddef.h>

typedef struct ompi_communicator_t *slm_mpi_comm;
typedef struct ompi_datatype_t *slm_mpi_datatype;
typedef struct ompi_request_t *slm_mpi_request;
typedef struct ompi_errhandler_t *slm_mpi_errhandler;

#define SLM_MPI_FUNCTIONS(USE) \
    USE(Init_thread, int, int *count, char ***arguments, int required, int *provided) \
    USE(Finalize, int, void) \
    USE(Comm_rank, int, slm_mpi_comm comm, int *rank) \
    USE(Comm_size, int, slm_mpi_comm comm, int *size) \
    USE(Comm_set_errhandler, int, slm_mpi_comm comm, slm_mpi_errhandler handler) \
    USE(Error_string, int, int code, char *text, int *length) \
    USE(Isend, int, const void *bytes, int count, slm_mpi_datatype type, int rank, int tag, slm_mpi_comm comm, slm_mpi_request *request) \
    USE(Irecv, int, void *bytes, int count, slm_mpi_datatype type, int rank, int tag, slm_mpi_comm comm, slm_mpi_request *request) \
    USE(Test, int, slm_mpi_request *request, int *isDone, void *status) \
    USE(Cancel, int, slm_mpi_request *request) \
    USE(Request_free, int, slm_mpi_request *request)

typedef struct {
#define USE(name, result, ...) result (*name)(__VA_ARGS__);
    SLM_MPI_FUNCTIONS(USE)
#undef USE
    slm_mpi_comm world;
    slm_mpi_datatype byte;
    slm_mpi_errhandler errors_return;
} slm_mpi_functions;

/// Looks up all functions and objects. Returns the name of the first one that is missing, or NULL.
static inline const char *slm_mpi_find(void *library, slm_mpi_functions *found) {
#define USE(name, result, ...) if (!(found->name = (result (*)(__VA_ARGS__))dlsym(library, "MPI_" #name))) return "MPI_" #name;
    SLM_MPI_FUNCTIONS(USE)
#undef USE
    if (!(found->world = (slm_mpi_comm)dlsym(library, "ompi_mpi_comm_world"))) return "ompi_mpi_comm_world";
    if (!(found->byte = (slm_mpi_datatype)dlsym(library, "ompi_mpi_byte"))) return "ompi_mpi_byte";
    if (!(found->errors_return = (slm_mpi_errhandler)dlsym(library, "ompi_mpi_errors_return"))) return "ompi_mpi_errors_return";
    return NULL;
}
