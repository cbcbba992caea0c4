import Glibc

/// What the owner of the server should know, on standard error. It never holds what people said, nor what they keep secret.
func note(_ text: String) {
    let line = Array("slm serve: \(text)\n".utf8)
    _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
}
