#include "conf/loader.h"

#include "conf/apply_ini.h"
#include "conf/draft.h"
#include "conf/ini_keys.h"
#include "conf/units.h"

namespace conf {
namespace {

std::vector<KeyRow> MakeRows(const Draft& draft) {
  std::vector<KeyRow> rows;
  const bool is_ini = IsIniFile(draft.options().file);
  for (const Key<Global>& key : GlobalKeys()) {
    const Address address{"", "", std::string(key.name)};
    rows.push_back({.key = std::string(key.name),
                    .value = key.get(draft.config.global).value_or(""),
                    .default_value = key.get(draft.defaults).value_or(""),
                    .changeable = key.change == Change::kReload,
                    .source = draft.IsGiven(address) ? draft.OriginOf(address).ToText()
                        : std::string(Name(Source::kDefault))});
  }
  if (!is_ini) return rows;
  for (KeyRow& row : rows) {  // for whoever reads SHOW CONFIG by program
    row.value = IniSpelling(row.key, row.value);
    row.default_value = IniSpelling(row.key, row.default_value);
  }
  return rows;
}

}  // namespace

void FillFromFiles(Draft& draft) {
  FillUserList(draft);
  ApplyAdminPassword(draft);
  FillHba(draft);
}

namespace {

LoadResult Finish(Draft draft) {
  ApplyDatabaseUrl(draft);
  ApplyEnvironment(draft);
  ApplyCommandLine(draft);
  FillFromFiles(draft);
  CheckContradictions(draft);
  if (draft.has_mistakes()) return tl::unexpected(std::move(draft).TakeMistakes());
  draft.config.rows = MakeRows(draft);
  return std::make_shared<const Config>(std::move(draft.config));
}

}  // namespace

std::string Mistake::ToString() const {
  return line == 0 ? file + ": " + text : file + ":" + std::to_string(line) + ": " + text;
}

LoadResult LoadText(std::string_view text, const LoadOptions& options) {
  Draft draft(options);
  IsIniFile(options.file) ? ApplyIni(draft, text) : ApplyFile(draft, text);
  return Finish(std::move(draft));
}

LoadResult Load(const LoadOptions& options) {
  Draft draft(options);
  if (options.file.empty()) return Finish(std::move(draft));
  auto text = draft.Read(options.file);
  if (text) return LoadText(*text, options);
  draft.Add({.source = Source::kFile, .place = options.file}, text.error());
  draft.MarkRefused(kWholeFile);
  return Finish(std::move(draft));
}

}  // namespace conf
