#include "env/sim/disk.h"

#include <algorithm>
#include <fmt/core.h>

#include "env/sim/file.h"
#include "env/sim/node.h"

namespace millrace::env::sim {
namespace {

std::vector<std::string_view> split(std::string_view path) {
    std::vector<std::string_view> parts;
    while (!path.empty()) {
        std::size_t slash = std::min(path.find('/'), path.size());
        std::string_view part = path.substr(0, slash);
        if (!part.empty() && part != ".") parts.push_back(part);
        path.remove_prefix(std::min(slash + 1, path.size()));
    }
    return parts;
}

std::unexpected<Error> failure(std::string_view what, std::string_view reason) {
    return fail(ErrorCode::kafka_storage_error, fmt::format("{}: {}", what, reason));
}

constexpr std::string_view missing = "No such file or directory";

// A lock of one boot: the end of the process releases it without this.
class HeldLock final : public FileLock {
  public:
    HeldLock(std::shared_ptr<Inode> inode, std::uint64_t boot)
        : inode_(std::move(inode)), boot_(boot) {}
    ~HeldLock() override {
        if (inode_->locked_in == boot_) inode_->locked_in.reset();
    }

  private:
    std::shared_ptr<Inode> inode_;
    std::uint64_t boot_;
};

}  // namespace

std::shared_ptr<Inode> Disk::find(std::string_view path) const {
    std::shared_ptr<Inode> inode = root_;
    for (std::string_view part : split(path)) {
        auto entry = inode->entries.find(part);
        if (entry == inode->entries.end()) return nullptr;
        inode = entry->second;
    }
    return inode;
}

Result<Disk::Place> Disk::place(std::string_view path, std::string_view what) const {
    std::vector<std::string_view> parts = split(path);
    if (parts.empty()) return failure(what, "Is a directory");
    std::shared_ptr<Inode> directory = root_;
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
        auto entry = directory->entries.find(parts[i]);
        if (entry == directory->entries.end()) return failure(what, missing);
        directory = entry->second;
        if (!directory->is_directory) return failure(what, "Not a directory");
    }
    return Place{directory, std::string(parts.back())};
}

bool Disk::online() const { return node_.attached() && operations_left_ != 0; }

Result<> Disk::begin(std::string_view what) {
    if (!online()) {
        cut_amid_now_ = cut_amid_ && hit_.empty() && node_.attached();
        if (hit_.empty()) hit_ = what;
        return failure(what, "the process or its machine is ending");
    }
    if (operations_left_) --*operations_left_;
    std::uint64_t number = operations_++;
    if (!planned_failure_ || planned_failure_->operation != number) return {};
    hit_ = what;
    return failure(what, std::exchange(planned_failure_, {})->reason);
}

void Disk::process_ended() {
    operations_left_.reset();
    planned_failure_.reset();
    cut_amid_ = cut_amid_now_ = false;
}

void Disk::fail_next(Fault fault, std::string path_part, std::string reason, int skip) {
    planned_.push_back({fault, std::move(path_part), std::move(reason), skip});
}

Result<> Disk::check_whole(std::string_view path, std::string_view what) const {
    bool broken =
        std::ranges::any_of(broken_, [&](const std::string& part) { return path.contains(part); });
    return broken ? failure(what, "Input/output error") : Result<>{};
}

Result<> Disk::draw_fault(Fault fault, std::string_view path, double probability,
                          std::string_view what) {
    RETURN_IF_ERROR(begin(what));
    RETURN_IF_ERROR(check_whole(path, what));
    for (auto plan = planned_.begin(); plan != planned_.end(); ++plan) {
        if (plan->fault != fault || !path.contains(plan->path_part)) continue;
        if (plan->skip-- > 0) continue;
        std::string reason = plan->reason;
        planned_.erase(plan);
        return failure(what, reason);
    }
    if (probability > 0 && random_.chance(probability)) return failure(what, "Input/output error");
    return {};
}

void Disk::written(Inode& inode, std::uint64_t size_before) {
    inode.modified = node_.wall_ms();
    if (inode.linked) used_ += inode.content.size() - size_before;
}

void Disk::unlink(Inode& inode) {
    used_ -= inode.content.size();
    inode.linked = false;
}

void Disk::make_durable(const Change& change) {
    for (const Change::Name& each : change.names) {
        if (each.inode == nullptr) {
            each.directory->durable_entries.erase(each.name);
        } else {
            each.directory->durable_entries.insert_or_assign(each.name, each.inode);
        }
    }
}

void Disk::change(Change change) {
    for (const Change::Name& each : change.names) {
        if (each.inode == nullptr) {
            each.directory->entries.erase(each.name);
        } else {
            each.directory->entries.insert_or_assign(each.name, each.inode);
        }
    }
    unsynced_.push_back(std::move(change));
}

Result<std::shared_ptr<env::File>> Disk::open(std::string_view path, OpenOptions options) {
    std::string what = fmt::format("opening {}", path);
    RETURN_IF_ERROR(draw_fault(Fault::open, path, 0, what));
    ASSIGN_OR_RETURN(Place at, place(path, what));
    auto entry = at.directory->entries.find(at.name);
    bool is_there = entry != at.directory->entries.end();
    std::shared_ptr<Inode> inode = is_there ? entry->second : nullptr;
    if (is_there && options.exclusive) return failure(what, "File exists");
    if (!is_there && !options.create && !options.exclusive) return failure(what, missing);
    if (is_there && inode->is_directory && options.write) return failure(what, "Is a directory");
    if (!is_there) {
        inode = std::make_shared<Inode>();
        inode->modified = node_.wall_ms();
        change({{{at.directory, at.name, inode}}});
    } else if (options.truncate) {
        std::uint64_t size_before = inode->content.size();
        inode->content.truncate(0);
        written(*inode, size_before);
    }
    return std::make_shared<File>(*this, std::move(inode), std::string(path), options.write);
}

Result<std::vector<DirectoryEntry>> Disk::list(std::string_view directory) {
    std::string what = fmt::format("listing {}", directory);
    RETURN_IF_ERROR(begin(what));
    RETURN_IF_ERROR(check_whole(directory, what));
    std::shared_ptr<Inode> inode = find(directory);
    if (inode == nullptr) return failure(what, missing);
    if (!inode->is_directory) return failure(what, "Not a directory");
    std::vector<DirectoryEntry> entries;
    for (const auto& [name, child] : inode->entries) {
        entries.push_back({name, child->is_directory, child->content.size()});
    }
    return entries;
}

Result<> Disk::make_directories(std::string_view path) {
    std::string what = fmt::format("creating {}", path);
    RETURN_IF_ERROR(begin(what));
    std::shared_ptr<Inode> inode = root_;
    for (std::string_view part : split(path)) {
        if (!inode->is_directory) return failure(what, "Not a directory");
        auto entry = inode->entries.find(part);
        if (entry != inode->entries.end()) {
            inode = entry->second;
            continue;
        }
        auto made = std::make_shared<Inode>();
        made->is_directory = true;
        change({{{inode, std::string(part), made}}});
        inode = made;
    }
    if (!inode->is_directory) return failure(what, "File exists");
    return {};
}

Result<> Disk::rename(std::string_view from, std::string_view to) {
    std::string what = fmt::format("renaming {} to {}", from, to);
    RETURN_IF_ERROR(draw_fault(Fault::rename, from, 0, what));
    ASSIGN_OR_RETURN(Place source, place(from, what));
    ASSIGN_OR_RETURN(Place target, place(to, what));
    auto moved = source.directory->entries.find(source.name);
    if (moved == source.directory->entries.end()) return failure(what, missing);
    std::shared_ptr<Inode> inode = moved->second;
    auto replaced = target.directory->entries.find(target.name);
    if (replaced != target.directory->entries.end()) {
        std::shared_ptr<Inode> old = replaced->second;
        if (old == inode) return {};
        if (old->is_directory != inode->is_directory) {
            return failure(what, old->is_directory ? "Is a directory" : "Not a directory");
        }
        if (!old->entries.empty()) return failure(what, "Directory not empty");
        unlink(*old);
    }
    change({{{source.directory, source.name, nullptr}, {target.directory, target.name, inode}}});
    return {};
}

Result<> Disk::remove(std::string_view path) {
    std::string what = fmt::format("removing {}", path);
    RETURN_IF_ERROR(draw_fault(Fault::remove, path, 0, what));
    ASSIGN_OR_RETURN(Place at, place(path, what));
    auto entry = at.directory->entries.find(at.name);
    if (entry == at.directory->entries.end()) return failure(what, missing);
    if (!entry->second->entries.empty()) return failure(what, "Directory not empty");
    unlink(*entry->second);
    change({{{at.directory, at.name, nullptr}}});
    return {};
}

Result<> Disk::remove_all(std::string_view path) {
    std::shared_ptr<Inode> inode = find(path);
    if (inode == nullptr) return begin(fmt::format("removing {}", path));
    std::vector<std::string> names;
    for (const auto& [name, child] : inode->entries) names.push_back(name);
    for (const std::string& name : names) {
        RETURN_IF_ERROR(remove_all(fmt::format("{}/{}", path, name)));
    }
    return remove(path);
}

Result<> Disk::sync_directory(std::string_view path) {
    std::string what = fmt::format("syncing directory {}", path);
    RETURN_IF_ERROR(draw_fault(Fault::sync, path, conditions.sync_error, what));
    std::shared_ptr<Inode> inode = find(path);
    if (inode == nullptr) return failure(what, missing);
    if (!inode->is_directory) return failure(what, "Not a directory");
    std::deque<Change> rest;
    for (Change& each : unsynced_) {
        bool concerned = std::ranges::any_of(
            each.names, [&](const Change::Name& name) { return name.directory == inode; });
        if (concerned) {
            make_durable(each);
        } else {
            rest.push_back(std::move(each));
        }
    }
    unsynced_ = std::move(rest);
    return {};
}

Result<Timestamp> Disk::modified(std::string_view path) {
    std::string what = fmt::format("asking when {} was written", path);
    RETURN_IF_ERROR(begin(what));
    std::shared_ptr<Inode> inode = find(path);
    if (inode == nullptr) return failure(what, missing);
    return inode->modified;
}

void Disk::set_modified(std::string_view path, Timestamp time) {
    std::shared_ptr<Inode> inode = find(path);
    CHECK(inode != nullptr);
    inode->modified = time;
}

Result<> Disk::set_mode(std::string_view path, unsigned) {
    std::string what = fmt::format("setting the mode of {}", path);
    RETURN_IF_ERROR(begin(what));
    if (find(path) == nullptr) return failure(what, missing);
    return {};
}

Result<std::unique_ptr<FileLock>> Disk::lock(std::string_view path) {
    RETURN_IF_ERROR(open(path, {.write = true, .create = true}));
    std::shared_ptr<Inode> inode = find(path);
    if (inode->locked_in == node_.boot()) {
        return fail(ErrorCode::duplicate_broker_registration,
                    fmt::format("locking {}: another process uses this directory", path));
    }
    inode->locked_in = node_.boot();
    return std::make_unique<HeldLock>(std::move(inode), node_.boot());
}

Result<Disk::Space> Disk::space(std::string_view path) {
    RETURN_IF_ERROR(begin(fmt::format("finding the free space at {}", path)));
    return Space{.total = conditions.capacity,
                 .usable = conditions.capacity - std::min(conditions.capacity, used_)};
}

void Disk::rot(std::string_view path, std::uint64_t offset, unsigned bit) {
    std::shared_ptr<Inode> inode = find(path);
    CHECK(inode != nullptr);
    inode->content.flip_bit(offset, bit);
}

bool Disk::everything_durable(std::string_view path) const {
    std::shared_ptr<Inode> inode = root_;
    for (std::string_view part : split(path)) {
        auto entry = inode->entries.find(part);
        auto durable = inode->durable_entries.find(part);
        if (entry == inode->entries.end() || durable == inode->durable_entries.end()) return false;
        if (entry->second != durable->second) return false;
        inode = entry->second;
    }
    return inode->is_directory || inode->content.durable();
}

void Disk::lose_power() {
    bool in_order = random_.chance(0.5);
    double kept = random_.unit();
    for (const Change& each : unsynced_) {
        if (random_.chance(kept)) {
            make_durable(each);
        } else if (in_order) {
            break;
        }
    }
    unsynced_.clear();
    process_ended();
    used_ = 0;
    std::vector<Inode*> open{root_.get()};
    while (!open.empty()) {
        Inode* inode = open.back();
        open.pop_back();
        inode->linked = true;
        inode->locked_in.reset();
        inode->entries = inode->durable_entries;
        if (!inode->is_directory) inode->content.lose_power(random_, conditions.torn_write);
        used_ += inode->content.size();  // each has one name
        for (const auto& [name, child] : inode->entries) open.push_back(child.get());
    }
}

}  // namespace millrace::env::sim
