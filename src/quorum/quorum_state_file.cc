#include "quorum/quorum_state_file.h"

#include <fmt/format.h>
#include <optional>

#include "base/crc32c.h"
#include "storage/text_lines.h"

namespace millrace::quorum {
namespace {

// The values of a flat JSON object, by their unique keys.
class Fields {
  public:
    Fields(std::string_view text, std::string_view name) : text_(text), name_(name) {}

    Result<std::int32_t> number(std::string_view key) const {
        std::string_view rest = after(key);
        rest = rest.substr(0, rest.find_first_of(",} \t\r\n"));
        auto value = storage::parse_number<std::int32_t>(rest);
        if (!value) return refuse(key);
        return *value;
    }
    Result<std::string_view> text(std::string_view key) const {
        std::string_view rest = after(key);
        std::size_t end =
            rest.empty() || rest[0] != '"' ? std::string_view::npos : rest.find('"', 1);
        if (end == std::string_view::npos) return refuse(key);
        return rest.substr(1, end - 1);
    }
    std::unexpected<Error> refuse(std::string_view key) const {
        return fail(ErrorCode::kafka_storage_error,
                    fmt::format("{} has no proper value of {}; it is not what a node wrote. "
                                "Restore it from a backup; a node that forgot its vote may give "
                                "it twice",
                                name_, key));
    }

  private:
    // "" when there is no such key.
    std::string_view after(std::string_view key) const {
        std::string quoted = fmt::format("\"{}\"", key);
        std::size_t at = text_.find(quoted);
        if (at == std::string_view::npos) return {};
        std::string_view rest = text_.substr(at + quoted.size());
        at = rest.find_first_not_of(": \t\r\n");
        return at == std::string_view::npos ? std::string_view{} : rest.substr(at);
    }
    std::string_view text_;
    std::string_view name_;
};

constexpr std::string_view checksum_mark = "\n#crc32c=";

std::string checksum_line(std::string_view line) {
    return fmt::format("{}{:08x}\n", checksum_mark, crc32c(as_bytes(line)));
}

std::string quorum_state_line(const raft::QuorumState& state, std::int16_t kraft_version,
                              const raft::VoterSet& voters) {
    if (kraft_version > 0) {
        return fmt::format(
            "{{\"leaderId\":{},\"leaderEpoch\":{},\"votedId\":{},\"votedDirectoryId\":\"{}\","
            "\"data_version\":1}}",
            state.leader, state.epoch, state.voted.id, state.voted.directory.to_string());
    }
    std::string ids;
    for (const raft::Voter& voter : voters.voters())
        ids += fmt::format("{}{{\"voterId\":{}}}", ids.empty() ? "" : ",", voter.key.id);
    return fmt::format(
        "{{\"clusterId\":\"\",\"leaderId\":{},\"leaderEpoch\":{},\"votedId\":{},"
        "\"appliedOffset\":0,\"currentVoters\":[{}],\"data_version\":0}}",
        state.leader, state.epoch, state.voted.id, ids);
}

}  // namespace

std::string quorum_state_text(const raft::QuorumState& state, std::int16_t kraft_version,
                              const raft::VoterSet& voters) {
    std::string line = quorum_state_line(state, kraft_version, voters);
    return line + checksum_line(line);
}

Result<raft::QuorumState> parse_quorum_state(std::string_view text, std::string_view name) {
    std::size_t mark = text.find(checksum_mark);
    std::string_view line = text.substr(0, mark);
    Fields fields(line, name);
    bool has_checksum = mark != std::string_view::npos;
    if (has_checksum && text.substr(mark) != checksum_line(line)) return fields.refuse("#crc32c");
    ASSIGN_OR_RETURN(std::int32_t version, fields.number("data_version"));
    if (version != 0 && version != 1) return fields.refuse("data_version");
    raft::QuorumState state;
    ASSIGN_OR_RETURN(state.leader, fields.number("leaderId"));
    ASSIGN_OR_RETURN(state.epoch, fields.number("leaderEpoch"));
    ASSIGN_OR_RETURN(state.voted.id, fields.number("votedId"));
    if (state.epoch < 0) return fields.refuse("leaderEpoch");
    if (version == 0) return state;
    ASSIGN_OR_RETURN(std::string_view directory, fields.text("votedDirectoryId"));
    auto id = Uuid::parse(directory);
    if (!id) return fields.refuse("votedDirectoryId");
    state.voted.directory = *id;
    return state;
}

}  // namespace millrace::quorum
