#include "quorum/metadata_observer.h"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

#include "client/retry.h"
#include "core/metadata/topic_names.h"
#include "protocol/fetch_snapshot.h"
#include "quorum/raft_wire.h"

namespace millrace::quorum {
namespace {

constexpr std::int32_t piece_bytes = 8 << 20;
// Names what a leader is heard on; an observer goes by what DescribeCluster tells.
constexpr std::string_view any_listener;
constexpr raft::ReplicaKey no_replica{raft::no_node, {}};

std::unexpected<Error> refused(const client::BrokerConnection& by, ErrorCode code) {
    if (code == ErrorCode::inconsistent_cluster_id) {
        return fail(code, fmt::format("{} is of another cluster than the controller that told "
                                      "of it: check the bootstrap addresses",
                                      by.name()));
    }
    if (code == ErrorCode::cluster_authorization_failed) {
        return fail(code, fmt::format("{} does not let this client read the metadata log: it "
                                      "needs CLUSTER_ACTION on the cluster",
                                      by.name()));
    }
    return fail(code,
                fmt::format("{} does not give the metadata log: {}", by.name(), meaning_of(code)));
}

}  // namespace

MetadataObserver::MetadataObserver(client::Cluster& controllers,
                                   std::optional<std::string> cluster_id)
    : controllers_(controllers), cluster_id_(std::move(cluster_id)) {}

Task<Result<>> MetadataObserver::catch_up(Duration patience) {
    bool caught_up = false;
    while (!caught_up) {
        Time deadline = controllers_.shard().now() + patience;
        ASSIGN_OR_CO_RETURN(caught_up,
                            co_await client::with_retries(controllers_, "reading the metadata log",
                                                          deadline, [this] { return step(); }));
    }
    co_return Result<>{};
}

Task<Result<MetadataObserver::Leader>> MetadataObserver::leader() {
    auto found = co_await controllers_.controller();
    if (!found) {
        controllers_.request_refresh();  // it may be a leader that is gone
        co_return found;
    }
    const std::string& told = controllers_.metadata()->cluster_id();
    if (cluster_id_ && *cluster_id_ != told) {
        co_return fail(ErrorCode::inconsistent_cluster_id,
                       fmt::format("{} has the id {}, where that of {} is asked for",
                                   controllers_.name(), told, *cluster_id_));
    }
    cluster_id_ = told;
    co_return found;
}

Task<Result<bool>> MetadataObserver::step() {
    if (download_ == nullptr) co_return co_await fetch();
    Result<> fetched = co_await fetch_snapshot();
    if (!fetched && !is_retriable(fetched.error().code)) download_.reset();
    CO_RETURN_IF_ERROR(fetched);
    co_return false;
}

Task<Result<bool>> MetadataObserver::fetch() {
    ASSIGN_OR_CO_RETURN(Leader leader, co_await this->leader());
    ASSIGN_OR_CO_RETURN(std::int16_t version, leader->version_of(ApiKey::fetch));
    raft::FetchRequest request{
        .replica = no_replica, .epoch = epoch_, .from = {next_, last_epoch_}};
    ASSIGN_OR_CO_RETURN(
        auto reply, co_await leader->call(to_wire(request, *cluster_id_, version, piece_bytes)));
    if (ErrorCode code = reply.response.error_code; code != ErrorCode::none)
        co_return refused(*leader, code);
    ASSIGN_OR_CO_RETURN(raft::FetchResponse response, from_wire(reply.response, any_listener));
    const raft::Answer& answer = response.answer;
    if (answer.error != ErrorCode::none) {
        CO_RETURN_IF_ERROR(take_refusal(answer.error, answer.leader, answer.epoch, leader->name()));
        co_return false;
    }
    co_return take(response);
}

Result<> MetadataObserver::take_refusal(ErrorCode error, std::int32_t leader, std::int32_t epoch,
                                        const std::string& asked) {
    bool news = epoch > epoch_;
    epoch_ = std::max(epoch_, epoch);
    if (news && leader == controllers_.metadata()->controller_id()) return {};
    controllers_.request_refresh();
    if (!is_retriable(error)) {
        return fail(error,
                    fmt::format("{} does not give the metadata log: {}", asked, meaning_of(error)));
    }
    return fail(ErrorCode::not_controller,
                fmt::format("{} does not lead the metadata quorum in epoch {}", asked, epoch_));
}

void MetadataObserver::begin_anew() {
    next_ = 0;
    last_epoch_ = 0;
    replay_ = metadata::Replay();
    provenance_ = {};
}

void MetadataObserver::begin_download(const raft::OffsetAndEpoch& id) {
    download_ = std::make_unique<Download>();
    download_->id = id;
    auto visit = [replay = &download_->replay, id](const metadata::VersionedRecord& record,
                                                   std::int64_t) {
        return replay->apply(record, id.offset - 1, id.epoch);
    };
    download_->reader = std::make_unique<SnapshotReader>(visit);
}

Result<bool> MetadataObserver::take(const raft::FetchResponse& response) {
    // What was committed is there no more: the quorum has lost it.
    if (response.diverging) {
        if (next_ == 0)
            return fail(ErrorCode::invalid_record, "the metadata log diverges from its beginning");
        begin_anew();
        return false;
    }
    if (response.snapshot) {
        begin_download(*response.snapshot);
        return false;
    }
    std::int64_t committed = response.high_watermark;
    if (committed < 0) {
        return fail(ErrorCode::leader_not_available,
                    "the controller that leads does not know yet what is committed");
    }
    std::int64_t before = next_;
    BatchReader reader(response.records.bytes());
    while (next_ < committed) {
        ASSIGN_OR_RETURN(auto batch, reader.next());
        if (!batch || batch->next_offset() > committed) break;
        RETURN_IF_ERROR(take_batch(*batch));
    }
    if (next_ >= committed) return true;
    if (next_ > before) return false;
    return fail(ErrorCode::invalid_record,
                fmt::format("the controller that leads gives nothing at offset {} though all "
                            "below {} is committed",
                            next_, committed));
}

Result<> MetadataObserver::take_batch(const BatchView& batch) {
    if (batch.base_offset() > next_ || batch.next_offset() <= next_) {
        return fail(ErrorCode::invalid_record,
                    fmt::format("the metadata log goes on at offset {} where {} is next",
                                batch.base_offset(), next_));
    }
    if (!batch.is_control()) {
        auto visit = [&](metadata::VersionedRecord record, std::int64_t offset) {
            return replay_.apply(record, offset, batch.leader_epoch());
        };
        RETURN_IF_ERROR(visit_records(batch, next_, visit));
        provenance_ = {batch.last_offset(), batch.leader_epoch(), batch.max_timestamp()};
    }
    next_ = batch.next_offset();
    last_epoch_ = batch.leader_epoch();
    return {};
}

Task<Result<>> MetadataObserver::fetch_snapshot() {
    ASSIGN_OR_CO_RETURN(Leader leader, co_await this->leader());
    FetchSnapshotRequest request;
    request.cluster_id = cluster_id_;
    request.replica_id = raft::no_node;
    request.max_bytes = piece_bytes;
    auto& topic = request.topics.emplace_back();
    topic.name = metadata::cluster_metadata_topic;
    auto& asked = topic.partitions.emplace_back();
    asked.current_leader_epoch = epoch_;
    asked.snapshot_id = {download_->id.offset, download_->id.epoch};
    asked.position = download_->position;
    ASSIGN_OR_CO_RETURN(auto reply, co_await leader->call(request));
    const FetchSnapshotResponse& response = reply.response;
    if (response.error_code != ErrorCode::none) co_return refused(*leader, response.error_code);
    if (response.topics.size() != 1 || response.topics.front().partitions.size() != 1) {
        co_return fail(
            ErrorCode::invalid_record,
            fmt::format("{} answers about something else than the metadata log", leader->name()));
    }
    const auto& piece = response.topics.front().partitions.front();
    if (piece.error_code == ErrorCode::snapshot_not_found) {
        download_.reset();  // there is a later one by now
        co_return fail(ErrorCode::leader_not_available,
                       fmt::format("{} has the snapshot no more that it told of", leader->name()));
    }
    if (piece.error_code != ErrorCode::none) {
        co_return take_refusal(piece.error_code, piece.current_leader.leader_id,
                               piece.current_leader.leader_epoch, leader->name());
    }
    bool empty = !piece.unaligned_records || piece.unaligned_records->empty();
    if (piece.position != download_->position || empty) {
        co_return fail(ErrorCode::invalid_record,
                       fmt::format("{} gives another piece of a snapshot than the one asked for",
                                   leader->name()));
    }
    Result<> taken = take_piece(piece.unaligned_records->in_memory().bytes(), piece.size);
    if (!taken) {
        download_.reset();
        co_return fail(taken.error().code,
                       fmt::format("the snapshot that {} gives cannot be read: {}", leader->name(),
                                   taken.error().message));
    }
    co_return Result<>{};
}

Result<> MetadataObserver::take_piece(Bytes piece, std::int64_t size) {
    Download& download = *download_;
    download.position += static_cast<std::int64_t>(piece.size());
    download.rest.insert(download.rest.end(), piece.begin(), piece.end());
    BatchReader batches(download.rest);
    while (true) {
        ASSIGN_OR_RETURN(auto batch, batches.next());
        if (!batch) break;
        RETURN_IF_ERROR(download.reader->take(*batch));
    }
    auto taken = static_cast<std::ptrdiff_t>(batches.position());
    download.rest.erase(download.rest.begin(), download.rest.begin() + taken);
    if (download.position < size) return {};
    if (!download.reader->whole())
        return fail(ErrorCode::invalid_record, "its footer is missing: it is cut short");
    next_ = download.id.offset;
    last_epoch_ = download.id.epoch;
    provenance_ = {next_ - 1, last_epoch_, download.reader->contents().last_contained};
    replay_ = std::move(download.replay);
    download_.reset();
    return {};
}

}  // namespace millrace::quorum
