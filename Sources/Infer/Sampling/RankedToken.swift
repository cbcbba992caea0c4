import Tokenize

/// A token and its logit packed into one integer that sorts by descending logit, then by ascending id. Integers sort fast.
///
///     [RankedToken(3, 0.5).key, RankedToken(7, 0.9).key].min()   // the key of token 7
struct RankedToken {
    let key: UInt64

    init(key: UInt64) { self.key = key }

    init(_ id: Int, _ logit: Float) {
        let bits = (logit + 0).bitPattern                      // -0 becomes 0
        let ascending = bits >> 31 == 1 ? ~bits : bits | 0x8000_0000
        key = UInt64(~ascending) << 32 | UInt64(UInt32(truncatingIfNeeded: id))
    }

    var id: TokenID { TokenID(truncatingIfNeeded: key) }

    var logit: Float {
        let ascending = ~UInt32(truncatingIfNeeded: key >> 32)
        return Float(bitPattern: ascending >> 31 == 1 ? ascending & 0x7FFF_FFFF : ~ascending)
    }
}

extension [UInt64] {
    /// Moves the `count` smallest elements to the front, in any order (Hoare's quickselect).
    mutating func partitionSmallest(_ count: Int) {
        guard count > 0, count < self.count else { return }
        var numbers = mutableSpan, low = 0, high = numbers.count - 1
        while low < high {
            let pivot = numbers[(low + high) / 2]
            var i = low
            var j = high
            while i <= j {
                while numbers[i] < pivot { i += 1 }
                while numbers[j] > pivot { j -= 1 }
                if i <= j {
                    numbers.swapAt(i, j)
                    i += 1
                    j -= 1
                }
            }
            if count - 1 <= j { high = j } else if count - 1 >= i { low = i } else { return }
        }
    }
}
