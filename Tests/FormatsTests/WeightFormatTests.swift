import Checkpoint
import Testing
import TestSupport
import Formats

/// Compares 16-bit conversions with Swift's own arithmetic.
@Suite struct WeightFormatTests {
    @Test func `every f16 converts to f32 and back`() {
        let wrong = (UInt16.min...UInt16.max).filter { bits in
            let number = Float(f16Bits: bits), expected = Float(Float16(bitPattern: bits))
            return number.isNaN
                ? !expected.isNaN || number.f16Bits != bits | 0x200 : number.bitPattern != expected.bitPattern || number.f16Bits != bits
        }
        #expect(wrong.isEmpty, "\(wrong.prefix(5)) and \(wrong.count) in all")
    }

    @Test func `conversions round to the nearest number`() {
        var random = TestRandom(3), wrong: [UInt32] = []
        for round in 0..<300_000 {
            // Random bits, then numbers in f16's range, then ties.
            let bits = UInt32(truncatingIfNeeded: random.next()), small = bits & 0x8000_0000 | UInt32(0x3200_0000 + Int(bits % 0x1600_0000))
            let number = Float(bitPattern: round % 3 == 0 ? bits : round % 3 == 1 ? small : small & ~0xFFF)
            if number.isNaN { continue }
            if number.f16Bits != Float16(number).bitPattern { wrong.append(number.bitPattern) }
            let upper = Float(bitPattern: UInt32(number.bf16Bits) << 16), below = Float(bitPattern: number.bitPattern & 0xFFFF_0000)
            let above = Float(bitPattern: (number.bitPattern & 0xFFFF_0000) &+ 0x1_0000)
            if above.isFinite, upper != below && upper != above || abs(upper - number) > min(abs(below - number), abs(above - number)) {
                wrong.append(number.bitPattern)
            }
            if above.isFinite, abs(below - number) == abs(above - number), number.bf16Bits & 1 == 1 { wrong.append(number.bitPattern) }
        }
        #expect(wrong.isEmpty, "\(wrong.prefix(5)) and \(wrong.count) in all")
        #expect(
            Float.nan.bf16Bits & 0x7FFF > 0x7F80 && Float(bitPattern: 0x7F80_0001).bf16Bits & 0x7FFF > 0x7F80
                && Float(bitPattern: 0x7F80_0001).f16Bits & 0x7FFF > 0x7C00)
        #expect(Float.greatestFiniteMagnitude.bf16Bits == 0x7F80 && (-Float.infinity).bf16Bits == 0xFF80)
    }
}
