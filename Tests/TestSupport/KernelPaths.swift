import Glibc
package import Kernels
import Synchronization

/// Records which kernels tests run: a line "avx2 f32" for each instruction set and precision, in the file that the environment variable
/// `SLM_KERNEL_PATHS` names. `make test-swift` compares the file with what the CPU supports.
package enum KernelPaths {
    private static let recorded = Mutex<Set<String>>([])

    package static func record(_ instructionSet: String, _ precision: DataType) {
        guard let path = getenv("SLM_KERNEL_PATHS") else { return }
        let line = "\(instructionSet) \(precision.rawValue)\n"
        guard recorded.withLock({ $0.insert(line).inserted }), let file = fopen(path, "a") else { return }
        fputs(line, file)
        fclose(file)
    }
}
