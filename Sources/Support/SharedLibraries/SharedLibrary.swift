import Glibc

/// A library of the system that is opened when it is used: other commands start without it, and it need not be installed for them.
///
///     let library = try SharedLibrary("liblapacke.so.3", package: "liblapacke")
///     let sgesdd = try library.address(of: "LAPACKE_sgesdd")
///
/// It stays open until the program ends.
package struct SharedLibrary {
    package let name, package: String
    package let handle: UnsafeMutableRawPointer

    /// - Parameters:
    ///   - name: The file name with its version, which the dynamic linker searches for.
    ///   - package: The Debian package that contains it, for the error message.
    ///   - isGlobal: Whether libraries that are opened later find its functions.
    package init(_ name: String, package: String, isGlobal: Bool = false) throws(MissingLibrary) {
        guard let handle = dlopen(name, RTLD_NOW | (isGlobal ? RTLD_GLOBAL : RTLD_LOCAL)) else {
            throw MissingLibrary(package: package, reason: dlerror().map { String(cString: $0) } ?? "\(name) cannot be opened")
        }
        self.name = name
        self.package = package
        self.handle = handle
    }

    package func address(of function: String) throws(MissingLibrary) -> UnsafeMutableRawPointer {
        guard let address = dlsym(handle, function) else { throw missing(function) }
        return address
    }

    private func missing(_ function: String) -> MissingLibrary {
        MissingLibrary(package: package, reason: "\(name) has no function \(function)")
    }

    /// Looks up all functions of a table, which a C header declares.
    ///
    /// - Parameter find: Fills the table; returns the name of the first function that is missing, or nil.
    package func functions<Table>(
        _ empty: Table, _ find: (UnsafeMutableRawPointer?, UnsafeMutablePointer<Table>?) -> UnsafePointer<CChar>?
    ) throws(MissingLibrary) -> LibraryFunctions<Table> {
        var table = empty
        if let function = find(handle, &table) { throw missing(String(cString: function)) }
        return LibraryFunctions(table: table)
    }
}

/// The functions of a library.
///
/// `@unchecked Sendable`: the table consists of addresses of code, which never change.
package struct LibraryFunctions<Table>: @unchecked Sendable {
    package let table: Table
}

/// A library that is not installed, or too old.
package struct MissingLibrary: Error, Equatable, CustomStringConvertible {
    package let package: String
    package let reason: String

    package init(package: String, reason: String) {
        self.package = package
        self.reason = reason
    }

    package var description: String { "\(reason). Install it: sudo apt-get install \(package)" }
}
