// Reports to ThreadSanitizer how Swift's runtime synchronizes threads. The runtime is compiled without it; otherwise ThreadSanitizer
// would report races between threads that a Mutex, a lazy initialization or a reference count has ordered.
//
// Linked into the tests by `make test-races` and compiled without -fsanitize=thread itself. The linker replaces calls of a function f by
// __wrap_f (option --wrap), and __real_f is the original. races.swift checks that true races are still reported.
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

// "All that other threads did before they released this address has happened", and the other side of it.
void __tsan_acquire(void *address);
void __tsan_release(void *address);
int __sanitizer_get_ownership(const volatile void *address);

// Synchronization.Mutex. Its fast paths are inlined into the program, where ThreadSanitizer sees their atomic operations.
#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context))
#define LOCK_SLOW "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define UNLOCK_SLOW "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"
SWIFT void real_lock(uint32_t thread, SELF void *mutex) __asm__("__real_" LOCK_SLOW);
SWIFT void wrap_lock(uint32_t thread, SELF void *mutex) __asm__("__wrap_" LOCK_SLOW);
SWIFT void real_unlock(SELF void *mutex) __asm__("__real_" UNLOCK_SLOW);
SWIFT void wrap_unlock(SELF void *mutex) __asm__("__wrap_" UNLOCK_SLOW);

SWIFT void wrap_lock(uint32_t thread, SELF void *mutex) {
    real_lock(thread, mutex);
    __tsan_acquire(mutex);
}

SWIFT void wrap_unlock(SELF void *mutex) {
    __tsan_release(mutex);
    real_unlock(mutex);
}

// Lazy initialization of globals and static properties.
typedef struct { void (*body)(void *); void *context, *token; } Initialization;
void __real_swift_once(void *token, void (*body)(void *), void *context);

static void initialize(void *pointer) {
    Initialization *initialization = pointer;
    initialization->body(initialization->context);
    __tsan_release(initialization->token);
}

void __wrap_swift_once(void *token, void (*body)(void *), void *context) {
    Initialization initialization = {body, context, token};
    __real_swift_once(token, initialize, &initialization);
    __tsan_acquire(token);
}

// Reference counts. A thread that releases a reference no longer uses the object. The thread that releases the last one destroys the
// object, and one that holds the only one may change it in place (copy on write): both come after all releases. Other releases order
// nothing, so that threads that share an object without a lock are still reported. The runtime lets instruments replace these functions.
extern void *(*_swift_retain)(void *object), *(*_swift_retain_n)(void *object, uint32_t count);
extern void (*_swift_release)(void *object), (*_swift_release_n)(void *object, uint32_t count);
extern bool _swift_enableSwizzlingOfAllocationAndRefCountingFunctions_forInstrumentsOnly;
bool __real_swift_isUniquelyReferenced_nonNull_native(const void *object);
static void *(*retain)(void *), *(*retain_n)(void *, uint32_t);
static void (*release)(void *), (*release_n)(void *, uint32_t);

// Between the question whether a reference is the last one and its release, no other thread may release one. Recursive, since a release
// can destroy an object and release others.
enum { LOCKS = 1 << 14, STACK_SIZE = 8 << 20 };
static struct { _Atomic(uintptr_t) owner; unsigned depth; } locks[LOCKS];
static _Thread_local char self_address;

static unsigned lock(void *object) {
    unsigned index = (uint32_t)((uintptr_t)object >> 4) * 0x9E3779B1u >> 18;
    uintptr_t self = (uintptr_t)&self_address, none = 0;
    if (atomic_load_explicit(&locks[index].owner, memory_order_relaxed) != self)
        while (!atomic_compare_exchange_weak_explicit(&locks[index].owner, &none, self, memory_order_acquire, memory_order_relaxed)) {
            none = 0;
            sched_yield();
        }
    locks[index].depth++;
    return index;
}

static void unlock(unsigned index) {
    if (--locks[index].depth == 0) atomic_store_explicit(&locks[index].owner, 0, memory_order_release);
}

// The bits of a reference that are its address; strings and enums use the others.
static void *address(void *reference) { return (void *)((uintptr_t)reference & 0x00FFFFFFFFFFFFF8); }

// With `retain` replaced, the runtime also passes it the characters of short strings, so that addresses have to be checked. Objects in the
// program's data segment live forever.
static bool is_object(void *address) {
    char here;
    return address && (__sanitizer_get_ownership(address) || (uintptr_t)address - (uintptr_t)&here < STACK_SIZE);
}

static void *traced_retain(void *reference) {
    if (is_object(address(reference))) retain(address(reference));
    return reference;
}

static void *traced_retain_n(void *reference, uint32_t count) {
    if (is_object(address(reference))) retain_n(address(reference), count);
    return reference;
}

static void traced_release(void *reference) {
    void *object = address(reference);
    if (!is_object(object)) return;
    unsigned index = lock(object);
    if (__real_swift_isUniquelyReferenced_nonNull_native(object)) {
        unlock(index);
        __tsan_acquire(object);
        release(object);
    } else {
        __tsan_release(object);
        release(object);
        unlock(index);
    }
}

static void traced_release_n(void *reference, uint32_t count) {
    void *object = address(reference);
    if (!is_object(object)) return;
    __tsan_release(object);
    __tsan_acquire(object);
    release_n(object, count);
}

bool __wrap_swift_isUniquelyReferenced_nonNull_native(const void *object) {
    bool is_unique = __real_swift_isUniquelyReferenced_nonNull_native(object);
    if (is_unique) __tsan_acquire((void *)object);
    return is_unique;
}

__attribute__((constructor)) static void replace_functions(void) {
    retain = _swift_retain;
    retain_n = _swift_retain_n;
    release = _swift_release;
    release_n = _swift_release_n;
    _swift_retain = traced_retain;
    _swift_retain_n = traced_retain_n;
    _swift_release = traced_release;
    _swift_release_n = traced_release_n;
    _swift_enableSwizzlingOfAllocationAndRefCountingFunctions_forInstrumentsOnly = true;
}
