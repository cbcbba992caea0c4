import Tokenize

/// A token and its score as one number: the smaller, the better the score; of equal scores, the smaller id is better. Numbers are sorted fast.
///
///     [RankedToken(3, 0.5).key, RankedToken(7, 0.9).key].min()   // that of token 7
struct RankedToken {
    let key: UInt64

    init(key: UInt64) { self.key = key }

    init(_ id: Int, _ score: Float) {
        let bits = (score + 0).bitPattern                      // -0 is 0
        let rising = bits >> 31 == 1 ? ~bits : bits | 0x8000_0000
        key = UInt64(~rising) << 32 | UInt64(UInt32(truncatingIfNeeded: id))
    }

    var id: TokenID { TokenID(truncatingIfNeeded: key) }

    var score: Float {
        let rising = ~UInt32(truncatingIfNeeded: key >> 32)
        return Float(bitPattern: rising >> 31 == 1 ? rising & 0x7FFF_FFFF : ~rising)
    }
}

extension [UInt64] {
    /// Moves the `count` smallest to the front, in any order (Hoare's selection).
    mutating func moveSmallest(_ count: Int) {
        guard count > 0, count < self.count else { return }
        var numbers = mutableSpan, low = 0, high = numbers.count - 1
        while low < high {
            let pivot = numbers[(low + high) / 2]
            var (i, j) = (low, high)
            while i <= j {
                while numbers[i] < pivot { i += 1 }
                while numbers[j] > pivot { j -= 1 }
                if i <= j {
                    numbers.swapAt(i, j)
                    (i, j) = (i + 1, j - 1)
                }
            }
            if count - 1 <= j { high = j } else if count - 1 >= i { low = i } else { return }
        }
    }
}
