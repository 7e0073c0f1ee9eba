#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/metadata/image_tree.h"

namespace re2 {
class RE2;
}

namespace millrace::server {

// One component of a path: a name, or a pattern of ?, * and {a,b}, with \ before what is meant
// literally. Braces that do not match or are nested make it a name.
class GlobComponent {
  public:
    explicit GlobComponent(std::string component);
    ~GlobComponent();

    bool is_name() const { return pattern_ == nullptr; }
    bool matches(const std::string& name) const;

  private:
    std::string component_;
    std::unique_ptr<re2::RE2> pattern_;
};

// A path without '.', '..' and empty components; '..' of the root is the root.
std::vector<std::string> split_path(std::string_view path);
// `path` from the root, where `folder` is the current one.
std::vector<std::string> absolute(std::string_view folder, std::string_view path);

struct FoundNode {
    std::vector<std::string> path;
    metadata::TreeNode node;

    std::string name() const { return path.empty() ? "/" : path.back(); }
    std::string whole_path() const;
};
// The nodes that a path with patterns means, by name.
std::vector<FoundNode> find_nodes(const metadata::TreeNode& root,
                                  const std::vector<std::string>& path);

}  // namespace millrace::server
