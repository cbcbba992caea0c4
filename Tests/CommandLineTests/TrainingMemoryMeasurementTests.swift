import JSON
import Kernels
import Model
import Testing
import TestSupport
import Train

/// The memory that `slm train` announces, against the peak of a process that trains.
@Suite(.serialized) struct TrainingMemoryMeasurementTests {
    @Test(arguments: [
        ("tiny", 12, false), ("tiny", 12, true), ("tiny", 48, false), ("eugpt", 2, false), ("eugpt", 2, true),
    ])
    func `in f32, the estimate is within a tenth, or 15 MB, of the peak of a process`(
        preset: String, rows: Int, recomputing: Bool
    ) throws {
        try check(preset, "f32", .float32, rows, recomputing)
    }

    @Test(.needsBFloat16, arguments: [("tiny", 12, false), ("tiny", 12, true), ("eugpt", 2, false)])
    func `in bf16, the estimate is within a tenth, or 15 MB, of the peak of a process`(
        preset: String, rows: Int, recomputing: Bool
    ) throws {
        try check(preset, "bf16", .bfloat16, rows, recomputing)
    }

    private func check(_ preset: String, _ dtype: String, _ type: DataType, _ rows: Int, _ recomputing: Bool) throws {
        var arguments = ["bench", "train", "--synthetic", "--preset", preset, "--dtype", dtype, "--batch", "\(rows)", "--threads", "2"]
        arguments += ["--steps", "1", "--warmup", "2", "--json"] + (recomputing ? ["--recompute"] : [])
        let outcome = try slm(arguments)
        let measured = Double(try #require(try JSONElement(parsing: outcome.output)["peak_rss_mb"]?.integer, "\(outcome.errors)"))
        let memory = TrainingMemory(type, rows: rows, recomputesBlocks: recomputing)
        let estimate = memory.bytes(for: preset == "tiny" ? .tiny : .eugpt) / 1_048_576
        #expect(abs(estimate - measured) <= 0.1 * measured + (measured < 200 ? 15 : 0), "\(estimate) for \(measured)")
    }
}
