#include "quorum/format.h"

#include <fmt/format.h>
#include <utility>
#include <variant>

#include "base/random.h"
#include "config/broker_config.h"
#include "core/metadata/bootstrap.h"
#include "env/disk.h"
#include "quorum/durable_directory.h"
#include "quorum/initial_controllers.h"
#include "quorum/node_directories.h"
#include "quorum/scram_argument.h"
#include "quorum/snapshot_file.h"
#include "storage/text_lines.h"

namespace millrace::quorum {
namespace {

auto refuse(std::string message) { return fail(ErrorCode::invalid_request, std::move(message)); }

// What the words of the command come to.
struct Plan {
    metadata::MetadataVersion version = metadata::MetadataVersion::latest();
    std::int16_t kraft_version = 0;
    metadata::Records bootstrap;
    std::optional<raft::VoterSet> voters;  // of a dynamic quorum
};

Result<raft::VoterSet> standalone_voter(const config::BrokerConfig& config, Random& random) {
    if (!config.is_controller()) return refuse("You can only use --standalone on a controller.");
    if (config.advertised_controller_endpoints().empty())
        return refuse("No controller listeners found.");
    const config::Endpoint& heard = config.advertised_controller_endpoints().front();
    raft::Voter voter;
    voter.key = {config.node_id(), Uuid::random(random)};
    voter.endpoints.push_back(
        {config.controller_listener(), heard.host.empty() ? "localhost" : heard.host, heard.port});
    return raft::VoterSet({std::move(voter)});
}

Result<std::optional<raft::VoterSet>> first_voters(const config::BrokerConfig& config,
                                                   const FormatCommand& command, Random& random) {
    std::optional<raft::VoterSet> voters;
    if (command.initial_controllers) {
        ASSIGN_OR_RETURN(voters, parse_initial_controllers(*command.initial_controllers,
                                                           config.controller_listener()));
    }
    if (command.standalone) {
        ASSIGN_OR_RETURN(voters, standalone_voter(config, random));
    }
    bool fixed = !config.static_voters().empty();
    if (fixed && voters) {
        return refuse(
            "You cannot specify controller.quorum.voters and format the node with "
            "--initial-controllers or --standalone. If you want to use dynamic quorum, please "
            "remove controller.quorum.voters and specify controller.quorum.bootstrap.servers "
            "instead.");
    }
    if (!fixed && !voters && config.is_controller() && !command.no_initial_controllers) {
        return refuse(
            "Because controller.quorum.voters is not set on this controller, you must specify one "
            "of the following: --standalone, --initial-controllers, or "
            "--no-initial-controllers.");
    }
    return voters;
}

Result<metadata::FeatureLevels> parse_features(const std::vector<std::string>& words) {
    metadata::FeatureLevels levels;
    for (const std::string& word : words) {
        std::size_t split = word.find('=');
        if (split == std::string::npos) {
            return refuse(
                fmt::format("Can't parse feature=level string {}: equals sign not found.", word));
        }
        std::string level_text = word.substr(split + 1);
        auto level = storage::parse_number<std::int16_t>(level_text);
        if (!level) {
            return refuse(
                fmt::format("Can't parse feature=level string {}: unable to parse {} as "
                            "a short.",
                            word, level_text));
        }
        levels.insert_or_assign(word.substr(0, split), *level);
    }
    return levels;
}

Result<> add_scram(const FormatCommand& command, metadata::MetadataVersion version, Random& random,
                   metadata::Records& records) {
    if (command.scram.empty()) return {};
    if (!version.supports_scram())
        return refuse("SCRAM is only supported in metadata.version 3.5-IV2 or later.");
    for (const std::string& word : command.scram) {
        ASSIGN_OR_RETURN(UserScramCredentialRecord record, parse_scram_argument(word, random));
        records.push_back({std::move(record), 0});
    }
    return {};
}

Result<Plan> plan(const config::BrokerConfig& config, const FormatCommand& command,
                  Random& random) {
    Plan plan;
    metadata::FormatOptions options;
    options.unstable = config.unstable_feature_versions_enable();
    if (command.release_version) {
        ASSIGN_OR_RETURN(options.release, metadata::MetadataVersion::of_release(
                                              *command.release_version, options.unstable));
    }
    ASSIGN_OR_RETURN(plan.voters, first_voters(config, command, random));
    options.dynamic_quorum =
        config.static_voters().empty() && (plan.voters || command.no_initial_controllers);
    ASSIGN_OR_RETURN(options.features, parse_features(command.features));
    ASSIGN_OR_RETURN(metadata::FeatureLevels levels, metadata::format_levels(options));
    plan.kraft_version = levels.at(std::string(metadata::kraft_version_feature));
    plan.bootstrap = metadata::bootstrap_records(levels);
    ASSIGN_OR_RETURN(plan.version, metadata::bootstrap_version(plan.bootstrap));
    RETURN_IF_ERROR(add_scram(command, plan.version, random, plan.bootstrap));
    return plan;
}

// As Apache prints them, but for salts and keys of credentials.
std::string describe(const Plan& plan) {
    std::vector<std::string> records;
    for (const metadata::VersionedRecord& record : plan.bootstrap) {
        std::string text;
        if (const auto* level = std::get_if<FeatureLevelRecord>(&record.message)) {
            text = fmt::format("FeatureLevelRecord(name='{}', featureLevel={})", level->name,
                               level->feature_level);
        } else if (const auto* user = std::get_if<UserScramCredentialRecord>(&record.message)) {
            text = fmt::format("UserScramCredentialRecord(name='{}', mechanism={}, iterations={})",
                               user->name, user->mechanism, user->iterations);
        }
        records.push_back(
            fmt::format("ApiMessageAndVersion({} at version {})", text, record.version));
    }
    return fmt::format(
        "Bootstrap metadata: BootstrapMetadata(records=[{}], metadataVersionLevel={}, "
        "source=format command)\n",
        fmt::join(records, ", "), plan.version.level());
}

class Formatter {
  public:
    Formatter(env::Disk& disk, const config::BrokerConfig& config, const FormatCommand& command,
              Random& random, Timestamp now)
        : disk_(disk), config_(config), command_(command), random_(random), now_(now) {}

    Result<std::string> run(const Plan& plan, const NodeDirectories& directories) {
        for (const auto& [path, error] : directories.unreadable) {
            printed_ +=
                fmt::format("I/O error trying to read log directory {}. Ignoring...\n", path);
        }
        // What was killed before has perhaps left names that are not durable.
        for (const auto& [path, meta] : directories.formatted) {
            RETURN_IF_ERROR(make_durable_directory(disk_, path));
            RETURN_IF_ERROR(disk_.sync_directory(path));
        }
        if (directories.unformatted.empty())
            return printed_ + "All of the log directories are already formatted.\n";
        printed_ += describe(plan);
        for (const std::string& path : directories.unformatted)
            RETURN_IF_ERROR(format_one(plan, path));
        return std::move(printed_);
    }

  private:
    Result<> format_one(const Plan& plan, const std::string& path) {
        bool of_metadata = path == config_.metadata_directory();
        const raft::Voter* own =
            of_metadata && plan.voters ? plan.voters->find(config_.node_id()) : nullptr;
        std::string_view kind = "data directory";
        if (of_metadata) {
            kind = own != nullptr
                       ? "dynamic metadata voter directory"
                       : (plan.voters ? "dynamic metadata directory" : "metadata directory");
        }
        printed_ += fmt::format("Formatting {} {} with metadata.version {}.\n", kind, path,
                                plan.version.release());
        RETURN_IF_ERROR(make_durable_directory(disk_, path));
        RETURN_IF_ERROR(write_bootstrap(plan, path));
        if (of_metadata && plan.voters) RETURN_IF_ERROR(write_first_snapshot(plan, path));
        storage::MetaProperties meta;
        meta.cluster_id = command_.cluster_id;
        meta.node_id = config_.node_id();
        meta.directory_id = own != nullptr ? own->key.directory : Uuid::random(random_);
        // Last: a directory that has it is whole.
        return env::replace_file(disk_, meta_properties_path(path), meta.to_text(now_));
    }

    Result<> write_bootstrap(const Plan& plan, const std::string& path) {
        SnapshotHead head;
        head.now = now_;
        auto records = [&](RecordBatches& batches) -> Result<> {
            for (const metadata::VersionedRecord& record : plan.bootstrap)
                RETURN_IF_ERROR(batches.add(record));
            return {};
        };
        return write_snapshot_file(disk_, fmt::format("{}/{}", path, bootstrap_file),
                                   FileMode::writable, head, records);
    }

    Result<> write_first_snapshot(const Plan& plan, const std::string& path) {
        std::string log = fmt::format("{}/__cluster_metadata-0", path);
        RETURN_IF_ERROR(make_durable_directory(disk_, log));
        SnapshotHead head;
        head.now = head.last_contained = now_;
        head.facts = {plan.kraft_version, plan.voters};
        return write_snapshot_file(disk_, fmt::format("{}/{}", log, snapshot_name({})),
                                   FileMode::read_only, head,
                                   [](RecordBatches&) { return Result<>{}; });
    }

    env::Disk& disk_;
    const config::BrokerConfig& config_;
    const FormatCommand& command_;
    Random& random_;
    Timestamp now_;
    std::string printed_;
};

}  // namespace

Result<std::string> format(env::Disk& disk, const config::BrokerConfig& config,
                           const FormatCommand& command, Random& random, Timestamp now) {
    ASSIGN_OR_RETURN(Plan wanted, plan(config, command, random));
    NodeDirectories directories = NodeDirectories::load(disk, config);
    RETURN_IF_ERROR(directories.verify(command.cluster_id, config.node_id()));
    if (!command.ignore_formatted && !directories.formatted.empty()) {
        return refuse(
            fmt::format("Log directory {} is already formatted. Use --ignore-formatted "
                        "to ignore this directory and format the others.",
                        directories.formatted.begin()->first));
    }
    if (directories.formatted.empty() && directories.unformatted.empty())
        return refuse("No available log directories to format.");
    return Formatter(disk, config, command, random, now).run(wanted, directories);
}

}  // namespace millrace::quorum
