#include "broker/client_quotas.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <string>

namespace millrace::broker {

using quotas::Kind;

// What was found for the client of a connection.
struct ClientQuotas::Note final : net::PeerNote {
    std::uint64_t generation = 0;
    std::string principal;
    std::string client_id;
    quotas::Limits limits;

    const std::optional<quotas::Limit>& limit(Kind kind) const {
        return limits[static_cast<std::size_t>(kind)];
    }
};

namespace {

std::string_view user_of(std::string_view principal) {
    return principal.substr(std::min(principal.size(), principal.find(':') + 1));
}

std::size_t hash_of(const quotas::Counted& counted) {
    std::hash<std::string> hash;
    return hash(counted.user) * 31 + hash(counted.client_id);
}

// What nodes of the cluster ask each other is no client's.
bool is_exempt(const net::Request& request) {
    switch (request.api->key) {
        case ApiKey::fetch:
        case ApiKey::fetch_snapshot:
            return request.peer->listener->is_controller;
        case ApiKey::allocate_producer_ids:
        case ApiKey::alter_partition:
        case ApiKey::assign_replicas_to_dirs:
        case ApiKey::begin_quorum_epoch:
        case ApiKey::broker_heartbeat:
        case ApiKey::broker_registration:
        case ApiKey::controller_registration:
        case ApiKey::end_quorum_epoch:
        case ApiKey::envelope:
        case ApiKey::update_raft_voter:
        case ApiKey::vote:
        case ApiKey::write_txn_markers:
            return true;
        default:
            return false;
    }
}

}  // namespace

void ClientQuotas::look_again() {
    seen_ = metadata_.generation();
    const quotas::Table& table = metadata_.current().quotas;
    if (table == table_) return;
    table_ = table;
    any_ = quotas::any_of_clients(table_);
    ++generation_;
}

ClientQuotas::NotePtr ClientQuotas::note_of(const net::Request& request) {
    net::Peer& peer = *request.peer;
    auto found = std::static_pointer_cast<const Note>(peer.note);
    std::string_view client_id = request.client_id ? std::string_view(*request.client_id) : "";
    bool is_current = found && found->generation == generation_ && found->client_id == client_id &&
                      found->principal == peer.principal;
    if (is_current) return found;
    auto made = std::make_shared<Note>();
    made->generation = generation_;
    made->principal = peer.principal;
    made->client_id = client_id;
    made->limits = quotas::limits_of(table_, user_of(peer.principal), client_id);
    peer.note = made;
    return made;
}

template <typename Charge>
Task<Duration> ClientQuotas::on_owner(NotePtr note, Kind kind, Charge charge) {
    const quotas::Limit& limit = *note->limit(kind);
    std::size_t owner = hash_of(limit.counted) % by_shard_.size();
    auto there = [&](env::Shard&) -> Task<Duration> { co_return charge(*by_shard_[owner], limit); };
    co_return co_await env::call_on(here_, static_cast<int>(owner), there);
}

Task<Duration> ClientQuotas::worked(const net::Request& request) {
    NotePtr note = note_of(request);
    if (!note->limit(Kind::request) || request.work == nullptr || is_exempt(request))
        co_return Duration();
    Duration work = request.work->worked();
    co_return co_await on_owner(
        std::move(note), Kind::request,
        [&](ClientRates& rates, const quotas::Limit& limit) { return rates.worked(limit, work); });
}

Task<Duration> ClientQuotas::produced(const net::Request& request, bool is_answered) {
    Duration wait = is_answered ? co_await worked(request) : Duration();
    NotePtr note = note_of(request);
    if (!note->limit(Kind::produce)) co_return wait;
    auto bytes = static_cast<double>(request.bytes);
    Duration of_bytes = co_await on_owner(std::move(note), Kind::produce,
                                          [&](ClientRates& rates, const quotas::Limit& limit) {
                                              return rates.produced(limit, bytes);
                                          });
    co_return std::max(wait, of_bytes);
}

Task<Duration> ClientQuotas::fetched(const net::Request& request, std::uint64_t bytes) {
    Duration wait = co_await worked(request);
    NotePtr note = note_of(request);
    if (!note->limit(Kind::fetch)) co_return wait;
    auto fetch =
        wait > Duration() ? ClientRates::Fetch::waits_anyway : ClientRates::Fetch::brings_records;
    Duration of_bytes = co_await on_owner(
        std::move(note), Kind::fetch, [&](ClientRates& rates, const quotas::Limit& limit) {
            return rates.fetched(limit, static_cast<double>(bytes), fetch);
        });
    co_return std::max(wait, of_bytes);
}

std::uint64_t ClientQuotas::most_to_fetch(const net::Request& request) {
    NotePtr note = note_of(request);
    constexpr auto any_number = std::numeric_limits<std::int32_t>::max();
    if (!note->limit(Kind::fetch)) return any_number;
    double most = note->limit(Kind::fetch)->bound * window_.burst_seconds();
    return most < any_number ? static_cast<std::uint64_t>(most) : any_number;
}

bool ClientQuotas::has(Kind kind, const net::Request& request) {
    return note_of(request)->limit(kind).has_value();
}

controller::MutationQuotaPtr ClientQuotas::mutations(const net::Request& request,
                                                     quotas::MutationQuota::Kind kind) {
    if (!any()) return nullptr;
    NotePtr note = note_of(request);
    const auto& limit = note->limit(Kind::controller_mutation);
    if (!limit) return nullptr;
    return std::make_shared<quotas::MutationQuota>(by_shard_.front()->mutations(), *limit, kind);
}

}  // namespace millrace::broker
