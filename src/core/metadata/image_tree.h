#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "core/metadata/image.h"

namespace millrace::metadata {

struct TreeEntry;

// A folder or a leaf of the tree that metadata-shell shows an image as. What a folder holds, and a
// leaf's text, is made when it is asked for.
struct TreeNode {
    std::function<std::vector<TreeEntry>()> entries;  // a folder's, by name; empty for a leaf
    std::function<std::string()> text;                // a leaf's lines; empty for a folder

    bool is_folder() const { return entries != nullptr; }
};
struct TreeEntry {
    std::string name;
    TreeNode node;
};

TreeNode leaf(std::string text);
TreeNode folder(std::function<std::vector<TreeEntry>()> entries);

// The last record in an image, and when it was appended (milliseconds since 1970).
struct Provenance {
    std::int64_t offset = -1;
    std::int32_t epoch = -1;
    Timestamp time = -1;
};

// The folder `image`, its names and texts as Apache's shell has them. Salts, keys and values of
// configs are shown as they are.
TreeNode image_tree(ImagePtr image, const Provenance& provenance);

// The name of a quota entity's folder: "clientId(c)_user(u)"; "<default>" stands for the default of
// its type, which Apache's shell has no name for.
std::string quota_folder_name(const QuotaEntity& entity);

}  // namespace millrace::metadata
