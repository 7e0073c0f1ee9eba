#include "quorum/initial_controllers.h"

#include <fmt/format.h>
#include <set>
#include <utility>
#include <vector>

#include "storage/text_lines.h"

namespace millrace::quorum {
namespace {

constexpr std::int32_t most_port = 65'535;

auto refuse(std::string message) { return fail(ErrorCode::invalid_request, std::move(message)); }

std::string_view trimmed(std::string_view text) {
    std::size_t first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// Takes the text up to a mark, and the mark.
std::optional<std::string_view> take_until(std::string_view& text, char mark) {
    std::size_t at = text.find(mark);
    if (at == std::string_view::npos) return std::nullopt;
    std::string_view part = text.substr(0, at);
    text.remove_prefix(at + 1);
    return part;
}

Result<std::int32_t> take_id(std::string_view& text) {
    auto part = take_until(text, '@');
    if (!part) return refuse("No @ found in dynamic voter string.");
    if (part->empty()) return refuse("Invalid @ at beginning of dynamic voter string.");
    auto id = storage::parse_number<std::int32_t>(*part);
    if (!id) return refuse("Failed to parse node id in dynamic voter string.");
    if (*id < 0) {
        return refuse(fmt::format("Invalid negative node id {} in dynamic voter string.", *id));
    }
    if (text.empty()) return refuse("No hostname found after node id.");
    return *id;
}

Result<std::string_view> take_host(std::string_view& text) {
    if (!text.starts_with('[')) {
        auto host = take_until(text, ':');
        if (!host) return refuse("No colon following hostname could be found.");
        return *host;
    }
    text.remove_prefix(1);
    auto host = take_until(text, ']');
    if (!host) {
        return refuse("Hostname began with left bracket, but no right bracket was found.");
    }
    if (!text.starts_with(':')) return refuse("Port section must start with a colon.");
    text.remove_prefix(1);
    return *host;
}

Result<std::uint16_t> take_port(std::string_view& text) {
    auto part = take_until(text, ':');
    if (!part) return refuse("No colon following port could be found.");
    auto port = storage::parse_number<std::int32_t>(*part);
    if (!port) return refuse("Failed to parse port in dynamic voter string.");
    if (*port < 0 || *port > most_port)
        return refuse(fmt::format("Invalid port {} in dynamic voter string.", *port));
    return static_cast<std::uint16_t>(*port);
}

Result<raft::Voter> parse_one(std::string_view text, std::string_view listener) {
    raft::Voter voter;
    ASSIGN_OR_RETURN(voter.key.id, take_id(text));
    ASSIGN_OR_RETURN(std::string_view host, take_host(text));
    ASSIGN_OR_RETURN(std::uint16_t port, take_port(text));
    auto directory = Uuid::parse(text);
    if (!directory) return refuse("Failed to parse directory ID in dynamic voter string.");
    voter.key.directory = *directory;
    voter.endpoints.push_back({std::string(listener), std::string(host), port});
    return voter;
}

}  // namespace

Result<raft::VoterSet> parse_initial_controllers(std::string_view text, std::string_view listener) {
    std::vector<raft::Voter> voters;
    std::set<std::int32_t> ids;
    text = trimmed(text);
    while (!text.empty()) {
        std::string_view part = text.substr(0, text.find(','));
        text.remove_prefix(std::min(part.size() + 1, text.size()));
        if (part.empty()) continue;
        ASSIGN_OR_RETURN(raft::Voter voter, parse_one(trimmed(part), listener));
        if (!ids.insert(voter.key.id).second) {
            return refuse(fmt::format("Node id {} was specified more than once.", voter.key.id));
        }
        voters.push_back(std::move(voter));
    }
    if (voters.empty()) return refuse("No voters given.");
    return raft::VoterSet(std::move(voters));
}

}  // namespace millrace::quorum
