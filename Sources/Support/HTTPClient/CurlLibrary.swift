import CCurl
import SharedLibraries

/// libcurl, opened by the first request.
enum CurlLibrary {
    private static let library: Result<LibraryFunctions<slm_curl_functions>, MissingLibrary> = Result { () throws(MissingLibrary) in
        let library = try SharedLibrary("libcurl.so.4", package: "libcurl4").functions(slm_curl_functions(), slm_curl_find)
        slm_curl_global_init(library.table)
        return library
    }

    static var functions: slm_curl_functions {
        get throws(HTTPError) {
            do { return try library.get().table } catch { throw .noLibrary(error) }
        }
    }
}
