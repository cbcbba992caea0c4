package import Checkpoint
import Hashing

extension CheckpointHeader {
    /// Computes the header of a file. The first 512 of these bytes are ignored.
    package init(for bytes: [UInt8]) {
        let digest = Digest()
        digest.add(bytes.span.extracting(droppingFirst: Self.size))
        self.init(length: bytes.count, digest: digest.text)
    }
}
