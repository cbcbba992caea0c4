/// The token of each character: a table of pages of 256 code points, of which only those with tokens exist.
///
///     var table = ScalarTable()
///     table["é"] = 7
struct ScalarTable: Sendable {
    /// The index of a page, by code point / 256. Page 0 is empty.
    private var pages = [UInt16](repeating: 0, count: 0x110000 / 256)
    private var ids = [TokenID](repeating: -1, count: 256)

    /// -1: no token.
    subscript(_ scalar: UInt32) -> TokenID {
        get { ids[Int(pages[Int(scalar >> 8)]) << 8 | Int(scalar & 0xFF)] }
        set {
            let page = Int(scalar >> 8)
            if pages[page] == 0 {
                pages[page] = UInt16(ids.count / 256)
                ids.append(contentsOf: repeatElement(-1, count: 256))
            }
            ids[Int(pages[page]) << 8 | Int(scalar & 0xFF)] = newValue
        }
    }
}
