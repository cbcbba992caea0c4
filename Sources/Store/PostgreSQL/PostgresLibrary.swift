import CPQ
import SharedLibraries

/// libpq, opened by the first use of a PostgreSQL URL.
enum PostgresLibrary {
    private static let library: Result<LibraryFunctions<slm_pq_functions>, MissingLibrary> = Result { () throws(MissingLibrary) in
        try SharedLibrary("libpq.so.5", package: "libpq5").functions(slm_pq_functions(), slm_pq_find)
    }

    static var functions: slm_pq_functions {
        get throws(StoreError) {
            do { return try library.get().table } catch { throw .unusable(store: "PostgreSQL", reason: "\(error)") }
        }
    }
}
