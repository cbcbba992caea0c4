import Files
import Infer
import Store

extension ModelRegistry {
    /// One load of the models that the registry names. LoRA adapters whose base is served, too, share its weights.
    struct Loading {
        private let records: ServedModelRecords
        private let commandLine: ModelFiles?
        private let reused: [ModelFiles: ServedModel]
        private let wrap: @Sendable (ServedModel) -> ServedModel
        private let open: @Sendable (ModelFiles) throws -> ServedModel
        private(set) var loaded: [ModelFiles: ServedModel] = [:]
        private(set) var errors: [ModelID: String] = [:]
        private(set) var firstError: (any Error)?

        init(
            _ records: ServedModelRecords, commandLine file: ModelSource.CommandLineFile?, _ identity: ModelFileIdentity?,
            reused: [ModelFiles: ServedModel], wrap: @escaping @Sendable (ServedModel) -> ServedModel,
            _ open: @escaping @Sendable (ModelFiles) throws -> ServedModel
        ) {
            self.records = records
            commandLine = file.map { file in
                ModelFiles(name: file.name, path: identity?.path ?? file.path, digest: identity?.digest ?? "", isCommandLine: true)
            }
            self.reused = reused
            self.wrap = wrap
            self.open = open
        }

        /// The models whose weights are needed besides those that only replace a model that fails.
        private var wanted: [RegisteredModel] {
            var models: [RegisteredModel] = []
            for model in [records.active, records.canary].compactMap({ $0 }) + records.pinned
            where !models.contains(where: { $0.id == model.id }) {
                models.append(model)
            }
            return models
        }

        /// Loads the active model, or one that replaces it. nil if there is none.
        mutating func activeModels() -> ServedModels? {
            for model in [records.active, records.previous].compactMap({ $0 }) {
                guard let opened = load(model) else { continue }
                var models = ServedModels(opened)
                models.activeID = model.id
                return models
            }
            guard let commandLine else { return nil }
            do { return ServedModels(try open(opening: commandLine)) } catch {
                firstError = firstError ?? error
                return nil
            }
        }

        /// Loads the canary and the models of API keys. What is not needed any more ends with its last answer.
        mutating func loadOthers(into models: inout ServedModels) {
            models.canary = nil
            if let canary = records.canary, let share = canary.canaryShare, let model = load(canary) {
                models.canary = ServedModels.Canary(id: canary.id, model: model, share: share)
            }
            models.pinned = [:]
            for record in records.pinned { models.pinned[record.id] = load(record) }
        }

        /// Opens a model, alone or with others that share its weights; nil if it fails, with the reason in `errors`.
        private mutating func load(_ model: RegisteredModel) -> ServedModel? {
            if errors[model.id] != nil { return nil }
            do {
                try check(model)
                let base = model.base.flatMap { records.bases[$0] }
                if let opened = try loadTogether(model, base: base) { return opened }
                var files = self.files(of: model)
                files.base = base?.path
                return try open(opening: files)
            } catch {
                errors[model.id] = "\(error)"
                firstError = firstError ?? error
                return nil
            }
        }

        /// Opens a model together with those that share its weights; nil if there are none, or if one of them cannot be opened.
        private mutating func loadTogether(_ model: RegisteredModel, base: RegisteredModel?) throws -> ServedModel? {
            let whole = base ?? model, adapters = adapters(of: whole)
            let isWanted = wanted.contains { $0.id == whole.id }
            guard !adapters.isEmpty, isWanted || adapters.count > 1 else { return nil }
            guard (try? check(whole)) != nil else { return nil }
            var files = self.files(of: whole)
            files.adapters = adapters.map { ModelFiles.Adapter(name: $0.name, path: $0.path, digest: $0.digest) }
            guard let opened = try? open(opening: files) else { return nil }
            if whole.id == model.id { return opened.dropping(adapters: adapters.count) }
            return adapters.firstIndex { $0.id == model.id }.map { opened.adapters[$0] }
        }

        /// The LoRA adapters of a model that can be loaded with it.
        private func adapters(of base: RegisteredModel) -> [RegisteredModel] {
            wanted.filter { $0.base == base.id && (try? check($0)) != nil }
        }

        private func files(of model: RegisteredModel) -> ModelFiles {
            let isOwn = commandLine.map { $0.path == model.path && $0.digest == model.digest } ?? false
            return ModelFiles(name: model.name, path: model.path, digest: model.digest, isCommandLine: isOwn)
        }

        private mutating func open(opening files: ModelFiles) throws -> ServedModel {
            if let model = loaded[files] { return model }
            let model = if let model = reused[files] { model } else { wrap(try open(files)) }
            loaded[files] = model
            return model
        }

        /// Throws if the files of a model are not those that were registered.
        private func check(_ model: RegisteredModel) throws {
            let found = try ModelFileIdentity(model.path)
            guard found.digest == model.digest else { throw ReplacedFileError(path: model.path) }
        }
    }

    /// A model's file contains something else than when the model was registered.
    struct ReplacedFileError: Error, CustomStringConvertible {
        let path: String
        var description: String { "\(path) was replaced since the model was registered. Register it again: slm training register FILE" }
    }
}
