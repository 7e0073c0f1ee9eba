// Whatever other nodes say, and in whatever order, no replica of the quorum breaks: a request or an
// answer of any content is answered, acted on or passed over.

#include <cstdint>
#include <limits>
#include <optional>

#include "core/raft/raft.h"

namespace {

using namespace millrace;
using namespace millrace::raft;

// Numbers that matter to a log of a few records, and those at the ends of their types.
class Input {
  public:
    Input(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}

    bool empty() const { return size_ == 0; }
    std::uint8_t byte() {
        if (size_ == 0) return 0;
        --size_;
        return *data_++;
    }
    bool flag() { return (byte() & 1U) != 0; }
    template <typename T>
    T number() {
        std::uint8_t chosen = byte();
        if (chosen < 240) return static_cast<T>(chosen % 12) - 1;
        if (chosen < 248) return std::numeric_limits<T>::max() - (chosen - 240);
        return std::numeric_limits<T>::min() + (chosen - 248);
    }
    std::int32_t id() { return static_cast<std::int32_t>(byte() % 6) - 1; }
    std::int32_t epoch() { return number<std::int32_t>(); }
    std::int64_t offset() { return number<std::int64_t>(); }
    OffsetAndEpoch place() { return {offset(), epoch()}; }
    ReplicaKey key() { return {id(), flag() ? Uuid{1, byte()} : Uuid()}; }
    std::vector<Endpoint> endpoints() {
        if (flag()) return {};
        return {{.listener = "CONTROLLER", .host = "h", .port = 9093}};
    }

  private:
    const std::uint8_t* data_;
    std::size_t size_;
};

Voter voter_of(Input& in) {
    Voter voter{in.key(), in.endpoints()};
    voter.min_kraft_version = in.number<std::int16_t>();
    voter.max_kraft_version = in.number<std::int16_t>();
    return voter;
}

Request request_of(Input& in) {
    switch (in.byte() % 8) {
        case 0:
            return VoteRequest{in.key(), in.epoch(), in.place(), in.flag(), in.key()};
        case 1:
            return BeginEpochRequest{in.id(), in.epoch(), in.key(), in.endpoints()};
        case 2:
            return EndEpochRequest{in.id(), in.epoch(), {in.key(), in.key()}};
        case 3:
            return AddVoterRequest{voter_of(in), in.flag()};
        case 4:
            return RemoveVoterRequest{in.key()};
        case 5:
            return UpdateVoterRequest{in.epoch(), voter_of(in)};
        default:
            return FetchRequest{in.key(), in.epoch(), in.place(), in.offset(),
                                Duration::milliseconds(in.epoch())};
    }
}

Answer answer_of(Input& in) {
    constexpr ErrorCode codes[] = {ErrorCode::none, ErrorCode::fenced_leader_epoch,
                                   ErrorCode::unknown_leader_epoch, ErrorCode::invalid_request,
                                   ErrorCode::not_leader_or_follower};
    return {codes[in.byte() % std::size(codes)], in.id(), in.epoch(), in.endpoints()};
}

// Of the kind that the request asks for; a driver lets no other through.
Response response_to(const Request& request, Input& in) {
    if (std::holds_alternative<VoteRequest>(request)) return VoteResponse{answer_of(in), in.flag()};
    if (std::holds_alternative<BeginEpochRequest>(request))
        return BeginEpochResponse{answer_of(in)};
    if (std::holds_alternative<EndEpochRequest>(request)) return EndEpochResponse{answer_of(in)};
    if (std::holds_alternative<AddVoterRequest>(request) ||
        std::holds_alternative<RemoveVoterRequest>(request))
        return VoterChangeResponse{answer_of(in).error, {}};
    if (std::holds_alternative<UpdateVoterRequest>(request))
        return UpdateVoterResponse{answer_of(in)};
    if (std::holds_alternative<VersionsRequest>(request))
        return VersionsResponse{answer_of(in).error, in.number<std::int16_t>(),
                                in.number<std::int16_t>()};
    FetchResponse response{
        .answer = answer_of(in), .high_watermark = in.offset(), .log_start = in.offset()};
    if (in.flag()) response.diverging = in.place();
    if (in.flag()) response.snapshot = in.place();
    // The driver has read these from whole batches, behind what was asked for.
    std::int64_t base = std::get<FetchRequest>(request).from.offset;
    for (int i = in.byte() % 3; i > 0; --i) {
        std::int64_t end = base + 1 + in.byte() % 4;
        response.spans.push_back({base, end, in.epoch()});
        base = end;
        if (in.flag()) response.control.voters.push_back({end - 1, VoterSet({voter_of(in)})});
        if (in.flag()) response.control.kraft_versions.push_back({end - 1, 1});
    }
    response.with_records = !response.spans.empty();
    return response;
}

// Stable storage is at once what it is to be.
class Driver {
  public:
    explicit Driver(Raft raft) : raft_(std::move(raft)) {}

    void step(const Event& event, Duration passed) {
        now_ = now_ + passed;
        Actions actions = raft_.step(event, now_);
        std::optional<Persist> persist = actions.persist;
        std::optional<LogDurable> durable;
        if (actions.epoch_start) {
            durable = {actions.epoch_start->span.end, actions.epoch_start->generation};
        }
        if (actions.voters_record) {
            durable = {actions.voters_record->span.end, actions.voters_record->generation};
        }
        for (const Append& each : actions.appends) durable = {each.span.end, each.generation};
        bool fetches_snapshot = actions.fetch_snapshot.has_value();
        for (Send& each : actions.sends) sent_ = std::move(each);
        if (persist) step(StateDurable{persist->version}, Duration());
        if (durable) step(*durable, Duration());
        if (fetches_snapshot) step(SnapshotFetched{}, Duration());
    }
    // The last request that has no answer yet.
    std::optional<Send> take_sent() { return std::exchange(sent_, std::nullopt); }
    const Raft& raft() const { return raft_; }

  private:
    Raft raft_;
    Time now_ = Time() + Duration::seconds(1);
    std::optional<Send> sent_;
};

Raft begun(std::uint8_t shape) {
    bool dynamic = shape % 4 >= 2;
    std::vector<Endpoint> endpoints{{.listener = "CONTROLLER", .host = "h", .port = 9093}};
    auto directory = [&](std::int32_t id) {
        return dynamic ? Uuid{1, static_cast<std::uint64_t>(id)} : Uuid();
    };
    std::vector<Voter> voters;
    for (std::int32_t id = 1; id <= (shape % 2 == 0 ? 3 : 1); ++id)
        voters.push_back({.key = {id, directory(id)}, .endpoints = endpoints});
    Recovered found{.state = {.epoch = 2}, .voters = VoterHistory(VoterSet(std::move(voters)))};
    if (dynamic) {
        found.voters.add(0, found.voters.current());
        found.kraft_versions.add(0, dynamic_voters);
    }
    found.log.end = 6;
    found.log.epochs.assign(1, 0);
    found.log.epochs.assign(2, 4);
    Options options{.self = {shape % 8 < 7 ? 1 : 9, Uuid{1, 1}}, .endpoints = endpoints};
    options.auto_join = shape % 16 >= 8;
    return {std::move(options), std::move(found), Random(shape)};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Input in(data, size);
    Driver driver(begun(in.byte()));
    driver.step(TimeReached{}, Duration());
    std::uint64_t token = 0;
    while (!in.empty()) {
        auto passed = Duration::milliseconds(in.byte() * 10);
        switch (in.byte() % 4) {
            case 0:
                driver.step(TimeReached{}, passed);
                break;
            case 1:
                if (driver.raft().is_leader())
                    driver.step(AppendRequested{1 + in.byte() % 3}, passed);
                break;
            case 2:
                driver.step(RequestArrived{++token, request_of(in)}, passed);
                break;
            default:
                if (auto sent = driver.take_sent()) {
                    driver.step(ResponseArrived{sent->to, sent->correlation,
                                                response_to(sent->request, in)},
                                passed);
                }
        }
    }
    return 0;
}
