#include "storage/transaction_index.h"

#include <array>
#include <fmt/core.h>

#include "env/disk.h"

namespace millrace::storage {
namespace {

std::array<std::uint8_t, TransactionIndex::entry_size> encode(const AbortedTransaction& entry) {
    std::array<std::uint8_t, TransactionIndex::entry_size> bytes;
    store_be(bytes.data(), std::int16_t{TransactionIndex::newest_version});
    store_be(bytes.data() + 2, entry.producer_id);
    store_be(bytes.data() + 10, entry.first_offset);
    store_be(bytes.data() + 18, entry.last_offset);
    store_be(bytes.data() + 26, entry.last_stable_offset);
    return bytes;
}

}  // namespace

AbortedTransaction TransactionIndex::decode(std::span<const std::uint8_t, entry_size> entry) {
    return {.producer_id = load_be<std::int64_t>(entry.data() + 2),
            .first_offset = load_be<Offset>(entry.data() + 10),
            .last_offset = load_be<Offset>(entry.data() + 18),
            .last_stable_offset = load_be<Offset>(entry.data() + 26)};
}

bool TransactionIndex::on_disk() const {
    return loaded_ ? !entries_.empty() || disk_.exists(path_) : disk_.exists(path_);
}

Result<> TransactionIndex::load() {
    if (loaded_) return {};
    entries_.clear();
    if (disk_.exists(path_)) {
        ASSIGN_OR_RETURN(std::string content, env::read_file(disk_, path_));
        Bytes bytes = as_bytes(content);
        for (; bytes.size() >= entry_size; bytes = bytes.subspan(entry_size)) {
            auto entry = bytes.first<entry_size>();
            if (version_of(entry) > newest_version) {
                return fail(ErrorCode::corrupt_message,
                            fmt::format("{}: entry {} has version {}; {} is known", path_,
                                        entries_.size(), version_of(entry), newest_version));
            }
            entries_.push_back(decode(entry));
        }
    }
    loaded_ = true;
    return {};
}

Result<const std::vector<AbortedTransaction>*> TransactionIndex::entries() {
    RETURN_IF_ERROR(load());
    return &entries_;
}

Result<> TransactionIndex::append(const AbortedTransaction& transaction) {
    RETURN_IF_ERROR(load());
    ASSIGN_OR_RETURN(auto file, disk_.open(path_, {.write = true, .create = true}));
    auto bytes = encode(transaction);
    RETURN_IF_ERROR(file->write(entries_.size() * entry_size, bytes));
    entries_.push_back(transaction);
    return {};
}

Result<> TransactionIndex::truncate_to(Offset offset) {
    if (offset > 0) {
        RETURN_IF_ERROR(load());
    } else {
        loaded_ = true;
        entries_.clear();
    }
    while (!entries_.empty() && entries_.back().last_offset >= offset) entries_.pop_back();
    if (!disk_.exists(path_)) return {};
    if (entries_.empty()) return disk_.remove(path_);
    ASSIGN_OR_RETURN(auto file, disk_.open(path_, {.write = true}));
    return file->truncate(entries_.size() * entry_size);
}

Result<> TransactionIndex::check(Offset base) {
    RETURN_IF_ERROR(load());
    for (const AbortedTransaction& entry : entries_) {
        if (entry.last_offset < base) {
            return fail(ErrorCode::corrupt_message,
                        fmt::format("{}: a transaction ends at {}, before the segment", path_,
                                    entry.last_offset));
        }
    }
    return {};
}

}  // namespace millrace::storage
