"""The visitor's own rows, with Streamlit.

    WEIR_URL=grpc://127.0.0.1:32010 streamlit run client-examples/python/app/streamlit_app.py

The token comes from the headers of this session's own connection. The result is deliberately not
put behind `st.cache_data` or `st.cache_resource`: those are shared by every visitor.
"""

import adbc_driver_manager
import streamlit as st
from user_query import HOW_TO_SIGN_IN, SQL, TOKEN_HEADER, rows_as_user

st.set_page_config(page_title="Your people")
st.title("Your people")

token = st.context.headers.get(TOKEN_HEADER)
if not token:
    st.error(HOW_TO_SIGN_IN)
    st.stop()

try:
    rows = rows_as_user(token)
except adbc_driver_manager.Error as error:
    st.error(f"The warehouse refused: {error}")
    st.stop()

st.code(SQL, language="sql")
st.dataframe(rows, hide_index=True)
st.caption(f"{rows.num_rows} rows")
